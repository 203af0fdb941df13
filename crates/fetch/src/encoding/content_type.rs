//! The type of a body: what `Content-Type` says, read as the fetch standard reads it.

use http::header::{CONTENT_TYPE, HeaderMap};

/// What the `Content-Type` fields of a head say: a type such as `text/html`, and its `charset`.
///
/// ```
/// use switchboard_fetch::encoding::ContentType;
///
/// let kind = ContentType::parse("Text/HTML; Charset=\"UTF-8\"").unwrap();
/// assert_eq!((kind.essence(), kind.charset()), ("text/html", Some("UTF-8")));
/// assert_eq!(ContentType::parse("html"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    essence: String,
    charset: Option<String>,
}

impl ContentType {
    /// Reads the fields of a head: the last valid type, and the last charset that was given for it. Returns `None` if
    /// there is no valid type.
    pub fn of(headers: &HeaderMap) -> Option<ContentType> {
        let mut joined = String::new();
        for value in headers.get_all(CONTENT_TYPE) {
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.extend(value.as_bytes().iter().map(|&byte| char::from(byte)));
        }
        ContentType::parse(&joined)
    }

    /// Reads the value of a field, or several joined by commas.
    pub fn parse(text: &str) -> Option<ContentType> {
        let mut latest: Option<ContentType> = None;
        for value in split(text) {
            let Some(mut next) = parse_one(value).filter(|it| it.essence != "*/*") else {
                continue;
            };
            if let Some(before) = latest
                && before.essence == next.essence
            {
                next.charset = next.charset.or(before.charset);
            }
            latest = Some(next);
        }
        latest
    }

    /// Returns the type without parameters, in lower case.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Returns the charset as it was written, which may be the label of no encoding.
    pub fn charset(&self) -> Option<&str> {
        self.charset.as_deref()
    }

    /// Returns whether the type is that of HTML.
    pub fn is_html(&self) -> bool {
        self.essence == "text/html"
    }

    /// Returns whether the type is one of XML: `text/xml`, `application/xml`, or one that ends with `+xml`, such as
    /// XHTML's and those of feeds.
    pub fn is_xml(&self) -> bool {
        matches!(&*self.essence, "text/xml" | "application/xml") || self.essence.ends_with("+xml")
    }
}

/// Returns the values between commas, of which those in quotes are no separators.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let ends = c == ',' && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
}

/// Reads one value, such as `text/html; charset=utf-8`.
fn parse_one(text: &str) -> Option<ContentType> {
    let text = text.trim_matches(is_space);
    let (kind, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let (group, name) = kind.trim_end_matches(is_space).split_once('/')?;
    if !is_token(group) || !is_token(name) {
        return None;
    }
    let mut charset = None;
    while !rest.is_empty() && charset.is_none() {
        let (name, value);
        (name, value, rest) = parameter(rest);
        if name.eq_ignore_ascii_case("charset") {
            charset = value.filter(|value| value.chars().all(is_quotable));
        }
    }
    let essence = format!("{group}/{name}").to_ascii_lowercase();
    Some(ContentType { essence, charset })
}

/// Returns the name and the value of the first parameter of `text`, and what is behind its semicolon.
fn parameter(text: &str) -> (&str, Option<String>, &str) {
    let text = text.trim_start_matches(is_space);
    let Some(end) = text.find([';', '=']) else {
        return (text, None, "");
    };
    let (name, rest) = (&text[..end], &text[end + 1..]);
    if text[end..].starts_with(';') {
        return (name, None, rest);
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, rest) = rest.split_once(';').unwrap_or((rest, ""));
        let value = value.trim_end_matches(is_space);
        return (
            name,
            Some(value.to_owned()).filter(|it| !it.is_empty()),
            rest,
        );
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.push(chars.next().unwrap_or('\\')),
            _ => value.push(c),
        }
    }
    let (_, rest) = chars.as_str().split_once(';').unwrap_or_default();
    (name, Some(value), rest)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_token(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(is_part)
}

fn is_quotable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{FF}')
}
