//! The field `Set-Cookie`, as browsers read it.

use std::time::{Duration, SystemTime};

use super::date;

/// The most bytes of a name and its value.
const LONGEST: usize = 4096;
/// The most bytes of an attribute's value.
const LONGEST_ATTRIBUTE: usize = 1024;
/// The longest time that a cookie is kept.
const LONGEST_TIME: Duration = Duration::from_secs(400 * 86_400);

#[derive(Debug)]
pub(super) struct SetCookie {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// In small letters, without a dot before it.
    pub(super) domain: Option<String>,
    pub(super) path: Option<String>,
    pub(super) secure: bool,
    pub(super) expires: Option<SystemTime>,
}

impl SetCookie {
    /// Returns `None` for what sets nothing.
    pub(super) fn parse(field: &[u8], now: SystemTime) -> Option<SetCookie> {
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if field.iter().any(is_control) {
            return None;
        }
        let mut parts = field.split(|byte| *byte == b';');
        let (name, value) = match pair(parts.next()?) {
            (name, Some(value)) => (name, value),
            // Without a sign it is a value that has no name.
            (value, None) => (&b""[..], value),
        };
        if name.len() + value.len() > LONGEST || name.is_empty() && value.is_empty() {
            return None;
        }
        let mut set = SetCookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: None,
            path: None,
            secure: false,
            expires: None,
        };
        let mut max_age = None;
        for part in parts {
            let (name, value) = pair(part);
            let value = value.unwrap_or_default();
            let text = String::from_utf8_lossy(value);
            if value.len() > LONGEST_ATTRIBUTE {
                continue;
            }
            match &*name.to_ascii_lowercase() {
                b"domain" => {
                    let domain = text.strip_prefix('.').unwrap_or(&text);
                    set.domain = Some(domain.to_ascii_lowercase());
                }
                b"path" => set.path = Some(text.into_owned()),
                b"secure" => set.secure = true,
                b"max-age" => max_age = age(&text).or(max_age),
                b"expires" => set.expires = date::parse(value).or(set.expires),
                _ => {}
            }
        }
        // An age counts, whatever the date says.
        set.expires = match max_age {
            Some(age) => Some(now + age),
            None => set.expires,
        };
        set.expires = set.expires.map(|expires| expires.min(now + LONGEST_TIME));
        Some(set)
    }
}

/// Divides at the first `=`, without blanks around both.
fn pair(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (bytes[..at].trim_ascii(), Some(bytes[at + 1..].trim_ascii())),
        None => (bytes.trim_ascii(), None),
    }
}

/// Returns an age of seconds; zero for a negative one.
fn age(text: &str) -> Option<Duration> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if text.starts_with('-') {
        return Some(Duration::ZERO);
    }
    let seconds = digits.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(LONGEST_TIME))
}
