//! Times as dates, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Returns a time as RFC 3339 writes it, in UTC.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let (year, month, day, clock) = parts(time);
    format!("{year:04}-{month:02}-{day:02}T{clock}Z")
}

/// Returns the year, month and day that are `days` after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day at the end; 400 of them are 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

/// Returns a time as access logs write it.
pub(crate) fn common_log(time: SystemTime) -> String {
    let (year, month, day, clock) = parts(time);
    let month = MONTHS[month as usize - 1];
    format!("{day:02}/{month}/{year:04}:{clock} +0000")
}

/// Returns the year, month and day of a time, and what a clock shows.
fn parts(time: SystemTime) -> (u64, u64, u64, String) {
    let since = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (year, month, day) = date(since / DAY);
    let second = since % DAY;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    (
        year,
        month,
        day,
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
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
