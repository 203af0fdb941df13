//! Parts of lines.

use std::fmt::{self, Write};

use time::OffsetDateTime;

/// A text in which no character moves a terminal's cursor or turns the line around: control characters are shown as
/// their pictures.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

/// A room, or an inbox.
pub(super) struct Place<'a>(pub(super) &'a str);

/// Milliseconds since 1970 as RFC 3339 writes them, to the second.
pub(super) struct Time(pub(super) u64);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, found)) = rest.char_indices().find(|&(_, c)| is_hidden(c)) {
            f.write_str(&rest[..at])?;
            f.write_char(picture(found))?;
            rest = &rest[at + found.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// Returns whether a character is a control character, ends a line, or overrides its direction.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn picture(hidden: char) -> char {
    match hidden {
        '\0'..='\x1F' => char::from_u32(0x2400 + u32::from(hidden)),
        '\x7F' => Some('\u{2421}'),
        _ => None,
    }
    .unwrap_or(char::REPLACEMENT_CHARACTER)
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.starts_with('@') {
            f.write_char('#')?;
        }
        f.write_str(self.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        // The clock of a node may be of any year.
        let time =
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, month) = (time.date(), u8::from(time.month()));
        write!(f, "{:04}-{month:02}-{:02}T", date.year(), date.day())?;
        let (hour, minute, second) = time.to_hms();
        write!(f, "{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_000_000_000, "2001-09-09T01:46:40Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Time(seconds * 1000).to_string(), expected);
        }
    }
}
