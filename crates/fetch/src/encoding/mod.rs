//! The encoding of a page, by the rules of the HTML standard, and its text.
//!
//! What names the encoding, the first that does:
//!
//! 1. a byte order mark of UTF-8 or UTF-16;
//! 2. `charset` in the head's `Content-Type`, if it is the label of an encoding;
//! 3. in HTML, `<meta charset>` or `<meta http-equiv=content-type content>` within the first 1,024 bytes, found by the
//!    standard's prescan: comments, other tags and their attributes do not count, and neither does the text of scripts;
//! 4. in HTML and XML, the XML declaration;
//! 5. nothing: UTF-8.
//!
//! A body without a type counts as HTML if it begins with `<`. One of another type, such as JSON or plain text, is not
//! looked into beyond its byte order mark.
//!
//! ```
//! use switchboard_fetch::encoding::{self, ContentType, Source};
//!
//! let page = b"<!-- charset=gbk --><meta charset=iso-8859-1><p>caf\xe9";
//! let html = ContentType::parse("text/html; charset=none");
//! let sniffed = encoding::sniff(html.as_ref(), page);
//! assert_eq!((sniffed.encoding.name(), sniffed.source), ("windows-1252", Source::Meta));
//! assert!(encoding::decode(html.as_ref(), page).ends_with("café"));
//! ```

mod content_type;
mod prescan;

use std::borrow::Cow;

pub use encoding_rs::Encoding;
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};

pub use content_type::ContentType;

/// How many bytes of a page are looked at.
const PRESCANNED: usize = 1024;

/// The encoding of a page, and what named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sniffed {
    /// The encoding.
    pub encoding: &'static Encoding,
    /// What named it.
    pub source: Source,
}

/// What named an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A byte order mark.
    Mark,
    /// The head's `Content-Type`.
    Header,
    /// A `meta` element.
    Meta,
    /// An XML declaration.
    Declaration,
    /// Nothing: it is UTF-8 by default.
    Default,
}

/// Returns the encoding of a body with the given type, in the order that the [module](self) shows. Looks at no more than
/// its first 1,024 bytes.
pub fn sniff(kind: Option<&ContentType>, body: &[u8]) -> Sniffed {
    let sniffed = |encoding, source| Sniffed { encoding, source };
    if let Some((encoding, _)) = Encoding::for_bom(body) {
        return sniffed(encoding, Source::Mark);
    }
    let charset = kind.and_then(ContentType::charset);
    if let Some(encoding) = charset.and_then(|label| Encoding::for_label(label.as_bytes())) {
        return sniffed(encoding, Source::Header);
    }
    let start = &body[..body.len().min(PRESCANNED)];
    let is_html = match kind {
        Some(kind) => kind.is_html(),
        None => start.trim_ascii_start().starts_with(b"<") || wide(start).is_some(),
    };
    let is_xml = is_html || kind.is_some_and(ContentType::is_xml);
    if is_xml && let Some(encoding) = wide(start) {
        return sniffed(encoding, Source::Declaration);
    }
    if is_html && let Some(encoding) = prescan::meta(start) {
        return sniffed(encoding, Source::Meta);
    }
    if is_xml && let Some(encoding) = prescan::declaration(start) {
        return sniffed(encoding, Source::Declaration);
    }
    sniffed(UTF_8, Source::Default)
}

/// Returns the text of a body with the given type, in the encoding that [`sniff`] finds, without its byte order mark.
/// Invalid bytes become replacement characters.
pub fn decode<'a>(kind: Option<&ContentType>, body: &'a [u8]) -> Cow<'a, str> {
    let (text, _) = sniff(kind, body).encoding.decode_with_bom_removal(body);
    text
}

/// Returns the encoding of an XML declaration that is written in UTF-16 without a byte order mark.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<', 0, b'?', 0, b'x', 0, ..] => Some(UTF_16LE),
        [0, b'<', 0, b'?', 0, b'x', ..] => Some(UTF_16BE),
        _ => None,
    }
}
