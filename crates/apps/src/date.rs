//! Times as dates, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Returns a time as RFC 3339 writes it, in UTC.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let (year, month, day, clock) = parts(time);
    format!("{year:04}-{month:02}-{day:02}T{clock}Z")
}

/// Returns a time as access logs write it.
pub(crate) fn common_log(time: SystemTime) -> String {
    let (year, month, day, clock) = parts(time);
    let month = MONTHS[usize::from(month) - 1];
    format!("{day:02}/{month}/{year:04}:{clock} +0000")
}

/// Returns the year, month and day of a time, and what a clock shows.
fn parts(time: SystemTime) -> (i32, u8, u8, String) {
    let since = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    // A file may be of any year.
    let seconds = i64::try_from(since).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = time.to_hms();
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    (time.year(), time.month().into(), time.day(), clock)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(timestamp(time), expected);
        }
    }

    #[test]
    fn logs_have_names_of_months() {
        let time = UNIX_EPOCH + Duration::from_secs(951_782_400);
        assert_eq!(common_log(time), "29/Feb/2000:00:00:00 +0000");
    }
}
