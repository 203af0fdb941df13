//! Pages that would write to a terminal.

use super::{Expected, Row, check_all, page, text};

fn rows() -> Vec<Row> {
    let found =
        |name, body: &str, expected| text(name, page("", format!("<t>{body}</t>")), expected);
    let mut rows = vec![
        found(
            "a title and a forged line",
            "OK\u{1b}]0;own\u{7}\nforged.example, OK",
            "OK\\u{1b}]0;own\\u{7}\\nforged.example, OK",
        ),
        found(
            "colours and a cleared screen",
            "\u{1b}[31m\u{1b}[2J",
            "\\u{1b}[31m\\u{1b}[2J",
        ),
        found(
            "controls of eight bits",
            "\u{9b}31m\u{85}",
            "\\u{9b}31m\\u{85}",
        ),
        found("a carriage return", "one\rtwo\r\n", "one\\rtwo\\r\\n"),
        found(
            "blanks and bells",
            "a\tb\u{8}\u{7}\u{0}",
            "a\\tb\\u{8}\\u{7}\\0",
        ),
        found(
            "turned letters",
            "exe.\u{202e}gpj\u{2066}",
            "exe.\\u{202e}gpj\\u{2066}",
        ),
        found(
            "other line breaks",
            "a\u{2028}b\u{2029}c",
            "a\\u{2028}b\\u{2029}c",
        ),
        found("letters of all kinds", "ünï 日本 👩‍🚀", "ünï 日本 👩‍🚀"),
    ];
    let whole = |name, options: &[&'static str], body: &[u8], expected, code| Row {
        expected: Expected::Output(expected, code),
        ..text(name, page("", body), "").options(options)
    };
    rows.extend([
        whole(
            "no match",
            &["--extract", "b"],
            b"a",
            "no match at URL\n",
            1,
        ),
        whole("an empty match", &["--extract", "b*"], b"a", "URL, \n", 0),
        whole(
            "a page on stdout",
            &["-o", "-"],
            b"\x1b[2J\0\n",
            "\x1b[2J\0\n",
            0,
        ),
        whole(
            "an element",
            &["--select", "li.x ~ li"],
            b"<ul><li>a<li class=x>b<li> c &amp;\x1b\nd</ul>",
            "URL, c &\\u{1b} d\n",
            0,
        ),
        whole(
            "no element",
            &["--select", "b"],
            b"<!-- <b>a</b> -->",
            "no match at URL\n",
            1,
        ),
        whole(
            "an attribute of an element",
            &["--select", "meta[name=a]", "--attribute", "content"],
            b"<meta name=a><meta name=a content='x\ny'>",
            "URL, x\\ny\n",
            0,
        ),
        whole(
            "a pattern in an element",
            &["--select", "p", "--extract", "b(.)"],
            b"ba <p>bc</p>",
            "URL, c\n",
            0,
        ),
    ]);
    rows
}

#[test]
fn no_page_writes_to_the_terminal_under_any_model() {
    check_all(&rows());
}
