//! Names and escapes of CSS.

use crate::links::is_blank;
use std::borrow::Cow;

/// Whether a byte is part of a name, or begins an escape in one.
pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'\\') || byte >= 128
}

/// The length of an escape without its backslash: up to six digits with a blank behind them, or a character.
pub(super) fn escape_length(behind: &str) -> usize {
    let digits = behind
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_hexdigit)
        .count();
    if digits == 0 {
        return behind.chars().next().map_or(0, char::len_utf8);
    }
    let rest = &behind[digits..];
    match rest.chars().next() {
        _ if rest.starts_with("\r\n") => digits + 2,
        Some(c) if is_blank(c) => digits + 1,
        _ => digits,
    }
}

/// Decodes `\26 ` and `\(`, and leaves out a line feed that is escaped.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest
            .strip_prefix("\r\n")
            .or_else(|| rest.strip_prefix(['\n', '\r']))
        {
            rest = behind;
            continue;
        }
        let (escape, behind) = rest.split_at(escape_length(rest));
        let digits = escape.trim_end_matches(is_blank);
        match u32::from_str_radix(digits, 16) {
            Ok(code) if escape.starts_with(|c: char| c.is_ascii_hexdigit()) => {
                out.push(
                    char::from_u32(code)
                        .filter(|c| *c != '\0')
                        .unwrap_or('\u{fffd}'),
                );
            }
            _ => out.push_str(escape),
        }
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}
