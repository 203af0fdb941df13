//! Texts of others, made harmless, and times.

use std::borrow::Cow;
use std::time::SystemTime;

use time::{OffsetDateTime, UtcOffset};

/// Returns a text without anything that a terminal would obey, and without characters that are known to hide or to turn
/// letters: they are written out. Letters that look alike stay. Line feeds are too, unless `keeps_lines`.
pub(super) fn visible(text: &str, keeps_lines: bool) -> Cow<'_, str> {
    let harmful = |c: char| (c.is_control() && !(keeps_lines && c == '\n')) || is_deceptive(c);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match harmful(c) {
            true if c.is_control() => written.extend(c.escape_debug()),
            true => written.extend(c.escape_unicode()),
            false => written.push(c),
        }
    }
    Cow::Owned(written)
}

/// Returns whether a character is one of those that are shown as nothing, as another line, or changes the direction of others. Joiners, which
/// scripts and emoji need, are none of them.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{61C}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{180E}'
            | '\u{200B}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

/// Returns a text in which no run of spaces is long enough to fill a row of the screen, so that what follows would look
/// like another line.
pub(super) fn close_up(text: &str) -> String {
    const LONGEST: usize = 16;
    let mut run = 0;
    let keeps = |c: &char| {
        // One of Braille has no dots.
        let is_space = c.is_whitespace() && *c != '\n' || *c == '\u{2800}';
        run = if is_space { run + 1 } else { 0 };
        run <= LONGEST
    };
    text.chars().filter(keeps).collect()
}

/// Returns a moment, in milliseconds since 1970, as a clock on the wall shows it, with the day if it was another one
/// than `now`'s.
pub(super) fn clock(moment: u64, now: SystemTime, offset: UtcOffset) -> String {
    let at = date(moment).to_offset(offset);
    let today = OffsetDateTime::from(now).to_offset(offset);
    let time = format!("{:02}:{:02}", at.hour(), at.minute());
    match at.date() == today.date() {
        true => time,
        false => format!("{:02}-{:02} {time}", u8::from(at.month()), at.day()),
    }
}

/// Returns a moment, in milliseconds since 1970, as a date and a time of UTC.
pub(super) fn utc(moment: u64) -> String {
    let at = date(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn date(moment: u64) -> OffsetDateTime {
    let seconds = i64::try_from(moment / 1000).unwrap_or(i64::MAX);
    // A server may tell any number.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let written = [
            ("plain ünï 👩‍🚀", "plain ünï 👩‍🚀"),
            ("\x1b[2J\x1b]0;owned\x07", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\rb\tc\nd\0", "a\\rb\\tc\\nd\\0"),
            ("\u{202e}nna", "\\u{202e}nna"),
            ("a\u{200b}b\u{2028}c", "a\\u{200b}b\\u{2028}c"),
            ("a\u{ad}b\u{180e}", "a\\u{ad}b\\u{180e}"),
            ("\u{115f}\u{1160}", "\\u{115f}\\u{1160}"),
            ("\u{3164}\u{ffa0}", "\\u{3164}\\u{ffa0}"),
            ("\u{e0041}", "\\u{e0041}"),
        ];
        for (text, expected) in written {
            assert_eq!(visible(text, false), expected);
        }
        assert_eq!(visible("a\nb\r", true), "a\nb\\r");
    }

    #[test]
    fn any_text_is_harmless() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..10_000 {
            let text: String = (0..8).map(|_| rng.char('\0'..='\u{10FFFF}')).collect();
            let written = visible(&text, false);
            assert!(!written.contains(char::is_control), "{text:?}");
            assert!(!written.contains(is_deceptive), "{text:?}");
        }
    }

    #[test]
    fn times_are_those_of_a_clock() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (moment, utc_offset) = (1_800_000_000_000, UtcOffset::UTC);
        assert_eq!(clock(moment, now, utc_offset), "08:00");
        let east = UtcOffset::from_hms(5, 30, 0).unwrap();
        assert_eq!(clock(moment, now, east), "13:30");
        assert_eq!(clock(moment - 86_400_000, now, utc_offset), "01-14 08:00");
        assert_eq!(utc(moment), "2027-01-15T08:00:00Z");
        assert_eq!(utc(u64::MAX), "1970-01-01T00:00:00Z");
    }
}
