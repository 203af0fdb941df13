//! The dates of cookies, in all the forms that servers write (RFC 6265, section 5.1.1).

use std::time::{Duration, SystemTime};

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Returns the time that a date names, the begin of 1970 for one before it; `None` for what is no date.
pub(super) fn parse(text: &[u8]) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|byte| is_delimiter(*byte)) {
        if time.is_none() && clock(token).is_some() {
            time = clock(token);
        } else if day.is_none() && digits(token, 1..=2).is_some() {
            day = digits(token, 1..=2);
        } else if month.is_none() && month_of(token).is_some() {
            month = month_of(token);
        } else if year.is_none() {
            year = digits(token, 2..=4);
        }
    }
    let (hour, minute, second) = time?;
    let (day, month) = (day?, month?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if !(1..=31).contains(&day) || year < 1601 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year.into(), month.into(), day.into());
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// Returns the number at the start of a token, if it has as many digits and no digit follows.
fn digits(token: &[u8], count: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let length = token
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let text = std::str::from_utf8(&token[..length]).ok()?;
    count.contains(&length).then(|| text.parse().ok())?
}

fn clock(token: &[u8]) -> Option<(u32, u32, u32)> {
    let mut parts = token.splitn(3, |byte| *byte == b':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = |part: &[u8]| {
        part.iter()
            .all(u8::is_ascii_digit)
            .then(|| digits(part, 1..=2))?
    };
    Some((whole(hour)?, whole(minute)?, digits(second, 1..=2)?))
}

fn month_of(token: &[u8]) -> Option<u32> {
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    Some(at as u32 + 1)
}

/// Returns the days from the begin of 1970 to a date of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins with March has its leap day at its end.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let time = parse(text.as_bytes())?;
        Some(
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs(),
        )
    }

    #[test]
    fn dates_are_read_in_every_form_that_servers_write() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "6 november 1994 8:49:37",
            "08:49:37 94 Nov 06",
        ] {
            let expected = if text.starts_with("08") {
                None
            } else {
                Some(784_111_777)
            };
            assert_eq!(seconds(text), expected, "{text}");
        }
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:01 GMT"), Some(1));
        assert_eq!(seconds("Mon, 01 Jan 1601 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("29 Feb 2024 12:00:00"), Some(1_709_208_000));
        assert_eq!(seconds("31 Dec 9999 23:59:59"), Some(253_402_300_799));
        assert_eq!(seconds("1 Jan 69 0:0:0"), Some(3_124_224_000));
        for text in [
            "",
            "now",
            "0",
            "32 Jan 2020 00:00:00",
            "1 Jan 2020",
            "1 Jan 2020 24:00:00",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
