//! Texts of others, and times.

use std::time::SystemTime;

use time::{OffsetDateTime, UtcOffset};

pub(super) use switchboard_crawl::visible::visible;

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
