//! The media type of a file, by the ending of its name.

use http::HeaderValue;

/// The charset that types of text name, as long as nobody says otherwise.
pub(super) const UTF_8: &str = "utf-8";

/// Types of text, with the charset that tells their readers how to decode them. Others bring it with them.
const TEXT: [(&str, &str); 8] = [
    ("text/html", "text/html; charset=utf-8"),
    ("text/css", "text/css; charset=utf-8"),
    ("text/javascript", "text/javascript; charset=utf-8"),
    ("application/javascript", "text/javascript; charset=utf-8"),
    ("text/plain", "text/plain; charset=utf-8"),
    ("text/markdown", "text/markdown; charset=utf-8"),
    ("text/csv", "text/csv; charset=utf-8"),
    ("text/x-rust", "text/plain; charset=utf-8"),
];

/// Types that are compressed already although they look like text, and ones that are not.
const COMPRESSIBLE: [&str; 12] = [
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/geo+json",
    "application/xml",
    "application/xhtml+xml",
    "application/rss+xml",
    "application/atom+xml",
    "application/wasm",
    "application/toml",
    "application/x-yaml",
    "image/svg+xml",
];

/// Returns the media type of a file at this path, with `charset` for text.
pub(super) fn of(path: &[u8], charset: Option<&str>) -> HeaderValue {
    let name = &path[path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1)..];
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let ending = dot.map(|at| std::str::from_utf8(&name[at + 1..]).unwrap_or_default());
    let Some(kind) = ending.and_then(|ending| mime_guess::from_ext(ending).first_raw()) else {
        return HeaderValue::from_static("application/octet-stream");
    };
    let text = TEXT.iter().find(|(text, _)| *text == kind);
    match text.map(|(_, with_charset)| *with_charset) {
        Some(text) if charset == Some(UTF_8) => HeaderValue::from_static(text),
        Some(text) => with_charset(text.split(';').next().unwrap_or(text), charset),
        // XML names its charset itself.
        None if kind.starts_with("text/") && kind != "text/xml" => with_charset(kind, charset),
        None => HeaderValue::from_static(kind),
    }
}

fn with_charset(kind: &'static str, charset: Option<&str>) -> HeaderValue {
    let text = charset.map(|charset| HeaderValue::try_from(format!("{kind}; charset={charset}")));
    match text {
        Some(Ok(value)) => value,
        _ => HeaderValue::from_static(kind),
    }
}

/// Returns whether compression makes files of this type smaller.
pub(super) fn is_compressible(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    kind.starts_with("text/") || COMPRESSIBLE.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_types() {
        for (name, kind, compressible) in [
            ("index.html", "text/html; charset=utf-8", true),
            ("INDEX.HTM", "text/html; charset=utf-8", true),
            ("a.mjs", "text/javascript; charset=utf-8", true),
            ("main.rs", "text/plain; charset=utf-8", true),
            ("a.txt", "text/plain; charset=utf-8", true),
            ("a.json", "application/json", true),
            ("a.svg", "image/svg+xml", true),
            ("a.wasm", "application/wasm", true),
            ("a.png", "image/png", false),
            ("a.woff2", "font/woff2", false),
            ("a.mp4", "video/mp4", false),
            ("a.tar.gz", "application/gzip", false),
            ("README", "application/octet-stream", false),
            ("a\u{fffd}.unknown", "application/octet-stream", false),
        ] {
            let found = of(name.as_bytes(), Some(UTF_8));
            assert_eq!(found, kind, "{name}");
            assert_eq!(is_compressible(&found), compressible, "{name}");
        }
    }

    #[test]
    fn only_text_has_the_charset() {
        for (name, other, without) in [
            ("a.txt", "text/plain; charset=iso-8859-1", "text/plain"),
            (
                "a.js",
                "text/javascript; charset=iso-8859-1",
                "text/javascript",
            ),
            ("a.vcf", "text/x-vcard; charset=iso-8859-1", "text/x-vcard"),
            ("a.xml", "text/xml", "text/xml"),
            ("a.json", "application/json", "application/json"),
            ("a.png", "image/png", "image/png"),
        ] {
            assert_eq!(of(name.as_bytes(), Some("iso-8859-1")), other);
            assert_eq!(of(name.as_bytes(), None), without);
            assert_eq!(of(name.as_bytes(), Some("\n")), without);
        }
    }
}
