//! Redirects that lead somewhere, nowhere, or in circles.

use super::{Row, check_all, error, page, text};

const TARGET: &str = "<t>there</t>";

/// Returns an answer that redirects.
fn to(status: &str, location: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: ");
    [head.as_bytes(), location, b"\r\n\r\n"].concat()
}

/// Returns a row about a location that leads to `target`.
fn leads(name: &'static str, location: &[u8], target: &'static str) -> Row {
    text(name, to("302 Found", location), "there").and(target, page("", TARGET))
}

fn rows() -> Vec<Row> {
    let mut rows = vec![
        leads("a path", b"/a/b", "/a/b"),
        leads("a relative path", b"a/../b?c=d", "/b?c=d"),
        leads("a whole URL", b"http://HOST/a", "/a"),
        leads("a URL without scheme", b"//HOST/a", "/a"),
        leads("a query alone", b"?a=b", "/?a=b"),
        leads("blanks", b"/a b", "/a%20b"),
        leads("a fragment", b"/a#top", "/a"),
        leads("backslashes", b"\\a\\b", "/a/b"),
        leads("letters of UTF-8", "/caf\u{e9}".as_bytes(), "/caf%C3%A9"),
        leads("a letter of Latin-1", b"/caf\xe9", "/caf%E9"),
        leads("blanks around", b" \t /a \t", "/a"),
        leads("what is encoded already", b"/caf%E9%", "/caf%E9%"),
        error(
            "a circle",
            to("302 Found", b"/"),
            "first byte: more than 10 redirects",
        ),
        error(
            "another scheme",
            to("302 Found", b"ftp://HOST/"),
            "URL: `ftp` is not supported",
        ),
        error(
            "no location",
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            "status: 302 Found",
        ),
        error(
            "no redirect",
            to("300 Multiple Choices", b"/a"),
            "status: 300 Multiple Choices",
        ),
        error(
            "no page behind it",
            to("301 Moved Permanently", b"/a"),
            "status: 404 Not Found",
        ),
    ];
    for status in [
        "301 Moved Permanently",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        rows.push(text("a status", to(status, b"/a"), "there").and("/a", page("", TARGET)));
    }
    rows
}

#[test]
fn redirects_are_followed_under_every_model() {
    check_all(&rows());
}
