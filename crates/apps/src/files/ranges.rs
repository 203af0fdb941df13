//! The header field `range`.

use std::ops::Range;

/// The most parts of an answer.
const MAX_PARTS: usize = 16;

/// The bytes that a client asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Ranges {
    /// All of them, because the field is wrong or asks for more than it is worth.
    Whole,
    One(Range<u64>),
    Many(Vec<Range<u64>>),
    /// None that is there.
    Unsatisfiable,
}

/// Returns the ranges of a file of `length` bytes that `value` asks for.
///
/// Ranges that overlap, or more than 16, are answered with the whole: a short request must not ask for
/// many times the file.
pub(super) fn parse(value: &str, length: u64) -> Ranges {
    let Some((unit, list)) = value.split_once('=') else {
        return Ranges::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Ranges::Whole;
    }
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut count = 0;
    for part in list.split(',').map(|part| part.trim_matches([' ', '\t'])) {
        if part.is_empty() {
            continue;
        }
        count += 1;
        match parse_one(part, length) {
            None => return Ranges::Whole,
            Some(_) if count > MAX_PARTS => return Ranges::Whole,
            Some(range) if range.is_empty() => {}
            Some(range) => ranges.push(range),
        }
    }
    let overlap = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    match ranges.len() {
        0 if count == 0 || (length == 0 && is_suffix(list)) => Ranges::Whole,
        0 => Ranges::Unsatisfiable,
        1 => Ranges::One(ranges.remove(0)),
        n if (1..n).any(|at| ranges[..at].iter().any(|it| overlap(it, &ranges[at]))) => {
            Ranges::Whole
        }
        _ => Ranges::Many(ranges),
    }
}

/// Returns whether the list has a suffix range that asks for something, which the whole of an empty file
/// satisfies.
fn is_suffix(list: &str) -> bool {
    list.split(',').any(|part| {
        let digits = part.trim().strip_prefix('-');
        digits.is_some_and(|digits| digits.bytes().any(|digit| digit != b'0'))
    })
}

/// Returns one range, empty if it is not satisfiable; `None` if it is none.
fn parse_one(part: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = part.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(length.saturating_sub(suffix)..length);
    }
    let first = number(first)?;
    let end = match last {
        "" => length,
        _ => match number(last)? {
            last if last < first => return None,
            last => length.min(last.saturating_add(1)),
        },
    };
    Some(first.min(end)..end)
}

/// Parses digits; a number that is too large is the largest.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::Ranges::*;
    use super::*;

    #[test]
    fn single_ranges() {
        for (value, expected) in [
            ("bytes=0-4", One(0..5)),
            ("bytes=5-", One(5..10)),
            ("bytes=-3", One(7..10)),
            ("bytes=-30", One(0..10)),
            ("bytes=9-9", One(9..10)),
            ("bytes=0-99999999999999999999999", One(0..10)),
            ("Bytes= 1-2 ,", One(1..3)),
            ("bytes=99-,2-3", One(2..4)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=4-2", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("lines=0-4", Whole),
            ("0-4", Whole),
        ] {
            assert_eq!(parse(value, 10), expected, "{value}");
        }
    }

    #[test]
    fn an_empty_file_has_no_byte() {
        assert_eq!(parse("bytes=0-", 0), Unsatisfiable);
        assert_eq!(parse("bytes=-0", 0), Unsatisfiable);
        assert_eq!(parse("bytes=-5", 0), Whole);
    }

    #[test]
    fn several_ranges_are_bounded() {
        assert_eq!(parse("bytes=0-1,4-5", 10), Many(vec![0..2, 4..6]));
        assert_eq!(parse("bytes=8-9, 0-1", 10), Many(vec![8..10, 0..2]));
        assert_eq!(parse("bytes=0-5,3-7", 10), Whole);
        assert_eq!(parse("bytes=0-,0-,0-", 10), Whole);
        let many = |count: u64| {
            let parts: Vec<String> = (0..count).map(|n| format!("{}-{}", 2 * n, 2 * n)).collect();
            parse(&format!("bytes={}", parts.join(",")), 1000)
        };
        assert!(matches!(many(16), Many(parts) if parts.len() == 16));
        assert_eq!(many(17), Whole);
    }
}
