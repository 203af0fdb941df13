//! What is looked at in an address: repetitions, session numbers, and its shape without numbers.

use std::collections::HashMap;
use std::ops::RangeInclusive;

/// The segments of a path, without the empty ones.
pub(super) struct Path<'a>(pub(super) Vec<&'a str>);

/// The parameters of a query: a name, and a value if there is a `=`.
pub(super) struct Query<'a>(Vec<(&'a str, &'a str)>);

/// What addresses of a kind have in common: numbers are `#`, and parameters are in the order of their names.
pub(super) struct Shape {
    pub(super) text: String,
    pub(super) is_date: bool,
}

impl<'a> Path<'a> {
    pub(super) fn new(path: &'a str) -> Path<'a> {
        let segments = path.split('/');
        Path(segments.filter(|segment| !segment.is_empty()).collect())
    }

    /// Returns a row of segments that comes more than `most` times in turn, and how often; of a single segment
    /// once more. Numbers may repeat: `/1/1/1/1` counts something.
    pub(super) fn repeats(&self, most: usize) -> Option<(String, usize)> {
        let segments = &self.0;
        for start in 0..segments.len() {
            let rest = &segments[start..];
            for length in 1..=rest.len() / (most + 1) {
                let row = &rest[..length];
                let times = rest
                    .chunks_exact(length)
                    .take_while(|next| *next == row)
                    .count();
                let all_same = row.iter().all(|segment| segment == &row[0]);
                let is_number = row.concat().bytes().all(|byte| byte.is_ascii_digit());
                let exceeds = match all_same {
                    true => times * length > most + 1,
                    false => times > most,
                };
                if exceeds && !is_number {
                    return Some((format!("/{}", row.join("/")), times));
                }
            }
        }
        None
    }

    /// Returns the set of the path's segments, if one of them, which is no number, comes twice.
    pub(super) fn set_of_repeated(&self) -> Option<String> {
        let mut set = self.0.clone();
        set.sort_unstable();
        let is_word = |text: &str| !text.bytes().all(|byte| byte.is_ascii_digit());
        let repeated = set
            .windows(2)
            .any(|pair| pair[0] == pair[1] && is_word(pair[0]));
        set.dedup();
        repeated.then(|| set.join("/"))
    }
}

impl<'a> Query<'a> {
    pub(super) fn new(query: &'a str) -> Query<'a> {
        let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
        Query(
            parameters
                .map(|one| one.split_once('=').unwrap_or((one, "")))
                .collect(),
        )
    }

    /// Returns a parameter that comes with the same value more than `most` times, and how often.
    pub(super) fn repeats(&self, most: usize) -> Option<(&'a str, usize)> {
        if self.0.len() <= most {
            return None;
        }
        let mut times: HashMap<(&str, &str), usize> = HashMap::new();
        for parameter in &self.0 {
            let times = times.entry(*parameter).or_default();
            *times += 1;
            if *times > most {
                let all = self.0.iter().filter(|other| *other == parameter).count();
                return Some((parameter.0, all));
            }
        }
        None
    }
}

/// Names of parameters that hold a session's number, whatever its form is.
const SESSIONS: [&str; 13] = [
    "phpsessid",
    "jsessionid",
    "aspsessionid",
    "asp.net_sessionid",
    "sessionid",
    "session_id",
    "session-id",
    "sessid",
    "sid",
    "zenid",
    "oscsid",
    "cfid",
    "cftoken",
];

/// Finds a session's number in a path with its query: a parameter `?sid=…` or `;jsessionid=…` with one of the known
/// names, whose value has a digit and at least eight bytes. Returns its name, and the address without it.
pub(super) fn session(text: &str) -> Option<(&str, String)> {
    for (at, _) in text.match_indices(['?', '&', ';']) {
        let parameter = &text[at + 1..];
        let end = parameter
            .find(['&', ';', '?', '/'])
            .unwrap_or(parameter.len());
        let Some((name, value)) = parameter[..end].split_once('=') else {
            continue;
        };
        let is_known = SESSIONS
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        let is_number = value.len() >= 8 && value.bytes().any(|byte| byte.is_ascii_digit());
        // Classic ASP adds random letters to its name.
        let is_asp = name.len() > 12 && name.as_bytes()[..12].eq_ignore_ascii_case(b"aspsessionid");
        if is_number && (is_known || is_asp) {
            let (start, rest) = (&text[..at], &parameter[end..]);
            let rest = match (text.as_bytes()[at], rest.strip_prefix('&')) {
                (b'?', Some(rest)) => format!("?{rest}"),
                _ => rest.to_owned(),
            };
            let without = format!("{start}{rest}");
            // There may be a second one: CFID comes with CFTOKEN.
            let without = session(&without).map_or(without.clone(), |(_, without)| without);
            return Some((name, without));
        }
    }
    None
}

/// Returns the shape of an address with a number in it.
pub(super) fn shape(path: &Path<'_>, query: &Query<'_>) -> Option<Shape> {
    let mut numbers = Vec::new();
    let mut text = String::new();
    for segment in &path.0 {
        text.push('/');
        without_numbers(segment, &mut text, &mut numbers);
    }
    let mut named = false;
    let mut parameters = query.0.clone();
    parameters.sort_unstable();
    for (index, (name, value)) in parameters.iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        let before = numbers.len();
        without_numbers(value, &mut text, &mut numbers);
        let is_date = DATES.iter().any(|date| name.eq_ignore_ascii_case(date));
        named |= is_date && numbers.len() > before;
    }
    let is_calendar = |segment: &&str| {
        CALENDARS
            .iter()
            .any(|word| segment.eq_ignore_ascii_case(word))
    };
    let years = match path.0.iter().any(is_calendar) {
        true => 1_000..=9_999,
        false => 1_900..=2_100,
    };
    let is_date = named || has_month(&numbers, &years);
    (!numbers.is_empty()).then_some(Shape { text, is_date })
}

/// Names of parameters with which a number is a part of a date.
const DATES: [&str; 11] = [
    "year",
    "month",
    "day",
    "week",
    "date",
    "yr",
    "mon",
    "cal_year",
    "cal_month",
    "tribe-bar-date",
    "eventdate",
];

/// Segments behind which any year is one.
const CALENDARS: [&str; 6] = [
    "calendar",
    "cal",
    "kalender",
    "calendrier",
    "calendario",
    "agenda",
];

/// Whether a year is followed by a month, as one number or as two; or a month by a year.
fn has_month(numbers: &[&str], years: &RangeInclusive<u32>) -> bool {
    let is_year = |text: &str| text.len() == 4 && years.contains(&value(text));
    let is_month = |text: &str| text.len() <= 2 && (1..=12).contains(&value(text));
    let is_both = |text: &&str| match text.len() {
        6 => is_year(&text[..4]) && is_month(&text[4..]),
        8 => is_year(&text[..4]) && is_month(&text[4..6]) && (1..=31).contains(&value(&text[6..])),
        _ => false,
    };
    let pairs = numbers.windows(2);
    let mut pairs = pairs.map(|pair| (pair[0], pair[1]));
    numbers.iter().any(is_both)
        || pairs.any(|(one, two)| is_year(one) && is_month(two) || is_month(one) && is_year(two))
}

fn value(digits: &str) -> u32 {
    digits.parse().unwrap_or(u32::MAX)
}

/// Writes a text with `#` for each number in it, and adds the numbers to a list.
fn without_numbers<'a>(text: &'a str, into: &mut String, numbers: &mut Vec<&'a str>) {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, tail) = rest.split_at(start);
        let end = tail
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(tail.len());
        into.push_str(before);
        into.push('#');
        numbers.push(&tail[..end]);
        rest = &tail[end..];
    }
    into.push_str(rest);
}
