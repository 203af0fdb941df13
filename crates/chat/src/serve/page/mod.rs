//! The page: files that the program holds, as they are written.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

/// A file of the page.
pub(crate) struct Page {
    pub(crate) bytes: &'static [u8],
    pub(crate) content_type: &'static str,
    /// A strong entity tag, in its quotes.
    pub(crate) etag: String,
}

/// What browsers may do on the page. Nothing comes from elsewhere, `'self'` includes WebSockets of the same host and
/// port, and a text cannot become HTML or a script.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The fields that each file is sent with, beside its type and its tag.
pub(crate) const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    // Browsers ask each time whether their copy is still good.
    ("cache-control", "no-cache"),
];

/// Returns the file at a path, which begins with `/` and has no query.
pub(crate) fn file(path: &str) -> Option<&'static Page> {
    let mut pages = PAGES.iter();
    pages.find_map(|(name, page)| (path.strip_prefix('/') == Some(name)).then_some(page))
}

static PAGES: LazyLock<Vec<(&str, Page)>> = LazyLock::new(|| {
    let files = FILES.iter().map(|&(name, content_type, text)| {
        let tag = URL_SAFE_NO_PAD.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
        let page = Page {
            bytes: text.as_bytes(),
            content_type,
            etag: format!("\"{tag}\""),
        };
        (name, page)
    });
    files.collect()
});

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

const FILES: [(&str, &str, &str); 14] = [
    ("", HTML, include_str!("index.html")),
    ("style.css", CSS, include_str!("style.css")),
    ("icon.svg", IMAGE, include_str!("icon.svg")),
    ("account.js", SCRIPT, include_str!("account.js")),
    ("chat.js", SCRIPT, include_str!("chat.js")),
    ("compose.js", SCRIPT, include_str!("compose.js")),
    ("link.js", SCRIPT, include_str!("link.js")),
    ("lists.js", SCRIPT, include_str!("lists.js")),
    ("log.js", SCRIPT, include_str!("log.js")),
    ("room.js", SCRIPT, include_str!("room.js")),
    ("store.js", SCRIPT, include_str!("store.js")),
    ("text.js", SCRIPT, include_str!("text.js")),
    ("updates.js", SCRIPT, include_str!("updates.js")),
    ("ways.js", SCRIPT, include_str!("ways.js")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_types_and_tags_of_their_own() {
        let index = file("/").unwrap();
        assert!(index.bytes.starts_with(b"<!doctype html>"));
        assert_eq!(index.content_type, HTML);
        let script = file("/chat.js").unwrap();
        assert_eq!(script.content_type, SCRIPT);
        assert_ne!(index.etag, script.etag);
        assert!(index.etag.starts_with('"') && index.etag.ends_with('"') && index.etag.len() > 20);
        for path in [
            "",
            "chat.js",
            "/index.html",
            "/mod.rs",
            "/../style.css",
            "//",
        ] {
            assert!(file(path).is_none(), "{path}");
        }
    }

    /// What the policy refuses would not work in a browser, where nobody might see it.
    #[test]
    fn the_policy_permits_what_the_page_does() {
        let refused = [
            "<style",
            " style=",
            " on",
            "javascript:",
            "//cdn",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ];
        let index = FILES[0].2;
        for word in &refused[..4] {
            let mut tags = index.split('<').filter_map(|part| part.split('>').next());
            assert!(!tags.any(|tag| format!("<{tag}").contains(word)), "{word}");
        }
        for (name, _, text) in &FILES[3..] {
            for word in &refused[4..] {
                assert!(!text.contains(word), "{name}: {word}");
            }
        }
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
        assert!(HEADERS.iter().all(|(_, value)| !value.contains("  ")));
    }

    #[test]
    fn every_file_that_is_referred_to_is_there() {
        let index = FILES[0].2;
        let names = index.split(['"']).filter(|word| {
            [".js", ".css", ".svg"]
                .iter()
                .any(|end| word.ends_with(end))
        });
        for name in names {
            assert!(file(&format!("/{name}")).is_some(), "{name}");
        }
        for (_, _, text) in &FILES[3..] {
            let imports = text.split("from './").skip(1);
            for name in imports.filter_map(|rest| rest.split('\'').next()) {
                assert!(file(&format!("/{name}")).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn the_page_is_small() {
        let bytes: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(bytes < 80_000, "{bytes} bytes");
    }
}
