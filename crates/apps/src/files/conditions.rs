//! Validators, and the conditions of a request, evaluated in the order of RFC 9110, section 13.2.2.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use httpdate::HttpDate;
use rustix::fs::Stat;

/// What identifies the content of a file.
#[derive(Debug)]
pub(super) struct Validators {
    /// The entity tag with its quotes, and with `W/` if it is weak.
    tag: HeaderValue,
    /// In whole seconds, and not in the future.
    modified: SystemTime,
}

/// What the conditions of a request come to.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Validators {
    /// Takes the validators of a file from its time of change in nanoseconds, its length and its inode: an
    /// old version that is restored by a rename has another tag.
    pub(super) fn of(stat: &Stat) -> Validators {
        #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
        let (seconds, nanos) = (stat.st_mtime as u64, stat.st_mtime_nsec as u64);
        #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
        let (length, inode) = (stat.st_size as u64, stat.st_ino as u64);
        let mut tag = Short::default();
        tag.push(b'"');
        tag.push_hex(seconds);
        for number in [nanos, length, inode] {
            tag.push(b'-');
            tag.push_hex(number);
        }
        tag.push(b'"');
        // A time before 1970 is told as 1970.
        let since = Duration::from_secs(seconds.cast_signed().max(0).unsigned_abs());
        Validators {
            tag: tag.value(),
            modified: (UNIX_EPOCH + since).min(SystemTime::now()),
        }
    }

    /// Returns the entity tag as text.
    pub(super) fn tag(&self) -> &str {
        self.tag.to_str().unwrap_or_default()
    }

    /// Sets the header fields that a client repeats in its conditions.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        headers.insert(ETAG, self.tag.clone());
        let mut date = Short::default();
        // It is 29 bytes long, for which there is room.
        let _ = write!(date, "{}", HttpDate::from(self.modified));
        headers.insert(LAST_MODIFIED, date.value());
    }

    /// Makes the tag that of the content in a coding that is made anew for each answer.
    pub(super) fn weaken(&mut self, coding: &str) {
        let weak = format!("W/{}-{coding}\"", self.tag().trim_end_matches('"'));
        // The name of a coding is letters.
        if let Ok(weak) = HeaderValue::try_from(weak) {
            self.tag = weak;
        }
    }

    /// Evaluates the conditions of a request that is GET or HEAD.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(IF_MATCH) {
            if !self.is_listed(headers, IF_MATCH, strong) {
                return Verdict::Failed;
            }
        } else if let Some(since) = date(headers, IF_UNMODIFIED_SINCE)
            && whole_seconds(self.modified) > whole_seconds(since)
        {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if self.is_listed(headers, IF_NONE_MATCH, weak) {
                return Verdict::NotModified;
            }
        } else if let Some(since) = date(headers, IF_MODIFIED_SINCE)
            && whole_seconds(self.modified) <= whole_seconds(since)
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Returns the field `range`, unless `if-range` says that the client has a part of another version.
    pub(super) fn range<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let range = headers.get(RANGE)?.to_str().ok()?;
        let Some(condition) = headers.get(IF_RANGE) else {
            return Some(range);
        };
        let condition = condition.to_str().ok()?.trim();
        let same = match condition.contains('"') {
            true => strong(condition, self.tag()),
            // A date tells versions apart only once the second in which the file changed is over.
            false => {
                let date = httpdate::parse_http_date(condition).ok()?;
                let age = SystemTime::now().duration_since(self.modified);
                whole_seconds(date) == whole_seconds(self.modified)
                    && age.is_ok_and(|age| age >= Duration::from_secs(2))
            }
        };
        same.then_some(range)
    }

    /// Returns whether a list of tags has this one.
    fn is_listed(
        &self,
        headers: &HeaderMap,
        name: HeaderName,
        same: fn(&str, &str) -> bool,
    ) -> bool {
        let lists = headers.get_all(name).iter();
        let mut lists = lists.filter_map(|list| list.to_str().ok());
        lists.any(|list| list.trim() == "*" || tags(list).any(|tag| same(tag, self.tag())))
    }
}

/// A field's value that is written without allocating: `format!` costs as much as opening a file.
struct Short {
    bytes: [u8; 80],
    length: usize,
}

impl Default for Short {
    fn default() -> Short {
        Short {
            bytes: [0; 80],
            length: 0,
        }
    }
}

impl Short {
    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn push_hex(&mut self, number: u64) {
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for at in (0..digits).rev() {
            self.push(b"0123456789abcdef"[(number >> (4 * at)) as usize & 15]);
        }
    }

    fn value(&self) -> HeaderValue {
        // What is written is digits, letters and punctuation.
        HeaderValue::from_bytes(&self.bytes[..self.length]).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

fn strong(one: &str, other: &str) -> bool {
    one == other && !one.starts_with("W/")
}

fn weak(one: &str, other: &str) -> bool {
    opaque(one) == opaque(other)
}

/// Returns a tag without what says that it is weak.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// Returns the tags of a list, up to the first one that is malformed. A tag may hold a comma.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.trim_start_matches([' ', '\t', ',']);
        let open = if start.starts_with("W/") { 2 } else { 0 };
        let inner = start[open..].strip_prefix('"')?;
        let end = open + 1 + inner.find('"')? + 1;
        let (tag, after) = start.split_at(end);
        rest = after;
        Some(tag)
    })
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let text = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validators() -> Validators {
        Validators {
            tag: HeaderValue::from_static("\"a\""),
            modified: UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        }
    }

    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const SAME: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const AFTER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn conditions_are_evaluated_in_order() {
        use Verdict::*;
        for (fields, expected) in [
            (&[][..], Proceed),
            (&[("if-match", "\"a\"")], Proceed),
            (&[("if-match", "\"b\", \"a\"")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "\"b\"")], Failed),
            (&[("if-match", "W/\"a\"")], Failed),
            (&[("if-match", "a")], Failed),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", SAME)], Proceed),
            (&[("if-unmodified-since", "yesterday")], Proceed),
            // With `if-match` the date does not count.
            (
                &[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)],
                Proceed,
            ),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "W/\"a\"")], NotModified),
            (&[("if-none-match", "\"b,c\" , W/\"a\"")], NotModified),
            (
                &[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")],
                NotModified,
            ),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"b\"")], Proceed),
            (&[("if-modified-since", BEFORE)], Proceed),
            (&[("if-modified-since", SAME)], NotModified),
            (&[("if-modified-since", AFTER)], NotModified),
            (&[("if-modified-since", "tomorrow")], Proceed),
            (
                &[("if-none-match", "\"b\""), ("if-modified-since", AFTER)],
                Proceed,
            ),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], Failed),
        ] {
            assert_eq!(validators().judge(&headers(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_not_sent() {
        for (condition, expected) in [
            ("\"a\"", true),
            ("\"b\"", false),
            ("W/\"a\"", false),
            (SAME, true),
            (BEFORE, false),
            (AFTER, false),
            ("today", false),
        ] {
            let headers = headers(&[("range", "bytes=0-1"), ("if-range", condition)]);
            assert_eq!(
                validators().range(&headers).is_some(),
                expected,
                "{condition}"
            );
        }
        assert!(
            validators()
                .range(&headers(&[("range", "bytes=0-1")]))
                .is_some()
        );
        let fresh = Validators {
            modified: SystemTime::now(),
            ..validators()
        };
        let now = httpdate::fmt_http_date(fresh.modified);
        let headers = headers(&[("range", "bytes=0-1"), ("if-range", &now)]);
        assert_eq!(fresh.range(&headers), None);
    }

    #[test]
    fn a_tag_of_compressed_content_is_weak() {
        let mut validators = validators();
        validators.weaken("gzip");
        assert_eq!(validators.tag(), "W/\"a-gzip\"");
        let asked = headers(&[("if-none-match", "W/\"a-gzip\"")]);
        assert_eq!(validators.judge(&asked), Verdict::NotModified);
    }
}
