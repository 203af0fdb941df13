//! Pages whose encoding is told by several, by nobody, or wrongly.

use super::{Row, check_all, page, text};

const HTML: &str = "Content-Type: text/html\r\n";

/// Returns a row about a page of type `text/html`.
fn html(name: &'static str, body: impl AsRef<[u8]>, expected: &str) -> Row {
    text(name, page(HTML, body), expected)
}

/// Returns a row about a page of any type.
fn typed(name: &'static str, kind: &str, body: impl AsRef<[u8]>, expected: &str) -> Row {
    text(
        name,
        page(format!("Content-Type: {kind}\r\n"), body),
        expected,
    )
}

fn rows() -> Vec<Row> {
    let utf_8 = |before: &str| format!("{before}<meta charset=utf-8><t>naïve</t>");
    let latin_1 = |before: &str| [before.as_bytes(), b"<t>na\xEFve</t>"].concat();
    vec![
        html("a comment", utf_8("<!-- was charset=gbk -->"), "naïve"),
        html(
            "a comment with a meta",
            utf_8("<!-- <meta charset=gbk> -->"),
            "naïve",
        ),
        html(
            "a script's attribute",
            utf_8("<script charset=euc-kr></script>"),
            "naïve",
        ),
        html(
            "a script's text",
            utf_8("<script>'<meta charset=gbk>'</script>"),
            "naïve",
        ),
        html(
            "a query",
            utf_8("<link href=\"a.css?charset=gbk\">"),
            "naïve",
        ),
        html(
            "utf-16 in ASCII",
            "<meta charset=\"utf-16\"><t>naïve</t>",
            "naïve",
        ),
        html(
            "a declaration",
            latin_1("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>"),
            "naïve",
        ),
        html(
            "blanks around the sign",
            latin_1("<meta charset = \"iso-8859-1\">"),
            "naïve",
        ),
        html("capitals", latin_1("<META CHARSET='Latin1'>"), "naïve"),
        html(
            "a pragma",
            latin_1("<meta content='text/html; charset=iso-8859-1' http-equiv=Content-Type>"),
            "naïve",
        ),
        html(
            "a content without a pragma",
            latin_1("<meta content='charset=latin1'>"),
            "na\u{FFFD}ve",
        ),
        html(
            "an unknown meta, a known one",
            latin_1("<meta charset=x><meta charset=latin1>"),
            "naïve",
        ),
        html(
            "user-defined",
            latin_1("<meta charset=x-user-defined>"),
            "naïve",
        ),
        html("nothing", latin_1(""), "na\u{FFFD}ve"),
        html(
            "too late",
            latin_1(&format!("{}<meta charset=latin1>", " ".repeat(1024))),
            "na\u{FFFD}ve",
        ),
        html(
            "a mark against a meta",
            "\u{FEFF}<meta charset=gbk><t>naïve</t>",
            "naïve",
        ),
        html(
            "Shift_JIS",
            b"<meta charset=shift_jis><t>\x93\xFA\x96{</t>",
            "日本",
        ),
        html(
            "GBK as gb2312",
            b"<meta charset=gb2312><t>\xD6\xD0</t>",
            "中",
        ),
        typed(
            "an unknown header, a meta",
            "text/html; charset=none",
            latin_1("<meta charset=\"windows-1252\">"),
            "naïve",
        ),
        typed(
            "a header against a meta",
            "text/html; charset=iso-8859-1",
            latin_1("<meta charset=utf-8>"),
            "naïve",
        ),
        typed(
            "a quoted header",
            "text/html; charset=\"ISO-8859-1\"",
            latin_1(""),
            "naïve",
        ),
        typed(
            "a mark against a header",
            "text/html; charset=gbk",
            "\u{FEFF}<t>naïve</t>",
            "naïve",
        ),
        typed(
            "UTF-16 with a mark",
            "text/html; charset=utf-8",
            b"\xFE\xFF\0<\0t\0>\0\xEF\0<\0/\0t\0>",
            "ï",
        ),
        typed(
            "UTF-16 in the header",
            "text/html; charset=UTF-16BE",
            b"\0<\0t\0>\0\xEF\0<\0/\0t\0>",
            "ï",
        ),
        typed(
            "JSON",
            "application/json",
            "{\"a\": \"<meta charset=gbk><t>naïve</t>\"}",
            "naïve",
        ),
        typed(
            "plain text",
            "text/plain",
            "<meta charset=gbk><t>naïve</t>",
            "naïve",
        ),
        typed(
            "XML without a meta",
            "application/xhtml+xml",
            latin_1("<?xml version='1.0' encoding='latin1'?><meta charset='gbk'/>"),
            "naïve",
        ),
        text(
            "no type",
            page("", latin_1("<meta charset=latin1>")),
            "naïve",
        ),
        text(
            "two types",
            page(
                "Content-Type: text/plain; charset=gbk\r\nContent-Type: text/html\r\n",
                latin_1("<meta charset=latin1>"),
            ),
            "naïve",
        ),
    ]
}

#[test]
fn encodings_are_found_under_every_model() {
    check_all(&rows());
}
