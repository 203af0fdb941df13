//! The media type of a file, by the ending of its name.

use http::HeaderValue;

/// Types of text, with the charset that tells their readers how to decode them. Others bring it with them.
const TEXT: [(&str, &str); 10] = [
    ("text/html", "text/html; charset=utf-8"),
    ("text/css", "text/css; charset=utf-8"),
    ("text/javascript", "text/javascript; charset=utf-8"),
    ("application/javascript", "text/javascript; charset=utf-8"),
    ("text/plain", "text/plain; charset=utf-8"),
    ("text/markdown", "text/markdown; charset=utf-8"),
    ("text/csv", "text/csv; charset=utf-8"),
    ("text/x-rust", "text/plain; charset=utf-8"),
    ("text/xml", "text/xml"),
    ("application/json", "application/json"),
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

/// Returns the media type of a file at this path, with a charset for text.
pub(super) fn of(path: &[u8]) -> HeaderValue {
    let name = &path[path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1)..];
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let ending = dot.map(|at| std::str::from_utf8(&name[at + 1..]).unwrap_or_default());
    let Some(kind) = ending.and_then(|ending| mime_guess::from_ext(ending).first_raw()) else {
        return HeaderValue::from_static("application/octet-stream");
    };
    if let Some((_, with_charset)) = TEXT.iter().find(|(text, _)| *text == kind) {
        return HeaderValue::from_static(with_charset);
    }
    match kind.strip_prefix("text/") {
        Some(text) => HeaderValue::try_from(format!("text/{text}; charset=utf-8"))
            .unwrap_or(HeaderValue::from_static("text/plain; charset=utf-8")),
        None => HeaderValue::from_static(kind),
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
            let found = of(name.as_bytes());
            assert_eq!(found, kind, "{name}");
            assert_eq!(is_compressible(&found), compressible, "{name}");
        }
    }
}
