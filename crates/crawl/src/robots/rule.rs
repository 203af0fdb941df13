//! A rule: a pattern of paths, and what it says of them.

use std::cmp::Reverse;
use std::fmt;

use memchr::memmem;

/// Stands for any bytes in a pattern. No normal path has it, since control bytes are percent-encoded there.
const ANY: u8 = 0;

/// An `Allow` or `Disallow` line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rule {
    /// The path in its normal form, with [`ANY`] for each star.
    pattern: Box<[u8]>,
    /// The path ends where the pattern does.
    ends: bool,
    pub(super) allow: bool,
}

impl Rule {
    /// Reads the value of a line. `None` if it can match no path: an empty one, or one that begins with neither
    /// a slash nor a star.
    pub(super) fn new(value: &[u8], allow: bool) -> Option<Rule> {
        if !matches!(value.first(), Some(b'/' | b'*')) {
            return None;
        }
        let (value, ends) = match value.strip_suffix(b"$") {
            Some(value) => (value, true),
            None => (value, false),
        };
        let parts: Vec<Vec<u8>> = value.split(|&byte| byte == b'*').map(normal).collect();
        Some(Rule {
            pattern: parts.join(&ANY).into_boxed_slice(),
            ends,
            allow,
        })
    }

    /// Orders rules: what comes first decides.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let length = self.pattern.len() + usize::from(self.ends);
        (Reverse(length), Reverse(self.allow))
    }

    /// Whether a path in its normal form is one of the pattern's. Takes time in proportion to the path and the
    /// number of stars.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let mut parts = self.pattern.split(|&byte| byte == ANY);
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = path.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return !self.ends || rest.is_empty();
        };
        // Each part is taken where it comes first, which leaves the most for those that follow.
        for part in parts {
            match memmem::find(rest, part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        match self.ends {
            true => rest.ends_with(last),
            false => memmem::find(rest, last).is_some(),
        }
    }
}

/// The line, with its pattern in its normal form.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.allow { "Allow: " } else { "Disallow: " })?;
        for &byte in &self.pattern {
            match byte {
                ANY => f.write_str("*")?,
                b'*' | b'$' => write!(f, "%{byte:02X}")?,
                byte => write!(f, "{}", char::from(byte))?,
            }
        }
        f.write_str(if self.ends { "$" } else { "" })
    }
}

/// Returns a path in the form in which paths are compared: ASCII that needs no percent-encoding without it, all
/// else with it, in upper case. `%2A` and `%24` become what they stand for, since a pattern has no other way to
/// say it (RFC 9309, 2.2.3).
pub(super) fn normal(path: &[u8]) -> Vec<u8> {
    let mut into = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = (byte == b'%')
            .then(|| tail.first_chunk().and_then(unhex))
            .flatten();
        match escaped {
            Some(byte) => {
                rest = &tail[2..];
                match is_unreserved(byte) || matches!(byte, b'*' | b'$') {
                    true => into.push(byte),
                    false => escape(byte, &mut into),
                }
            }
            None if is_plain(byte) => into.push(byte),
            None => escape(byte, &mut into),
        }
    }
    into
}

/// What a URL has without percent-encoding; `%` too, where no two digits follow it.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^' | b'|' | b'\\'
        )
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn unhex(&[high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

fn escape(byte: u8, into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = [
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ];
    into.push(b'%');
    into.extend(digits);
}
