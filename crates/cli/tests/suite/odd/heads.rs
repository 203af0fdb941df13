//! Heads that servers send, and no standard allows.

use super::{Row, check_all, error, page, text};

fn rows() -> Vec<Row> {
    let fields = |name, fields: &[u8]| text(name, page(fields, "<t>here</t>"), "here");
    let answer = |name, head: &str| text(name, format!("{head}\r\n\r\n<t>here</t>"), "here");
    let cookies: String = (0..150)
        .map(|n| format!("Set-Cookie: c{n}=v\r\n"))
        .collect();
    let many: String = (0..900).map(|n| format!("X-{n}: v\r\n")).collect();
    vec![
        fields("a folded field", b"X-A: one\r\n\ttwo\r\n"),
        fields("a field folded to nothing", b"X-A: one\r\n \r\n"),
        fields("a control byte in a cookie", b"Set-Cookie: a=b\x01c\r\n"),
        fields("150 cookies", cookies.as_bytes()),
        fields("900 fields", many.as_bytes()),
        fields("blanks before a colon", b"X-A : a\r\n"),
        fields("a line that is no field", b"no field\r\n"),
        fields("a name with a blank", b"X A: b\r\n"),
        fields("a field without a name", b": b\r\n"),
        answer(
            "a length twice",
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Length: 11",
        ),
        answer(
            "blanks before the colon of a length",
            "HTTP/1.1 200 OK\r\nContent-Length : 11",
        ),
        answer(
            "a reason phrase of other letters",
            "HTTP/1.1 200 Tr\u{e8}s bien\r\nContent-Length: 11",
        ),
        answer(
            "a status that is not known",
            "HTTP/1.1 299 Oh\r\nContent-Length: 11",
        ),
        error(
            "lengths that differ",
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Length: 12\r\n\r\n<t>here</t>",
            "first byte: ",
        ),
        fields("letters in a value", b"X-A: na\xEFve\r\n"),
        fields("an empty value", b"X-A:\r\n"),
        fields("blanks around a value", b"X-A:  \t a \t \r\n"),
        fields(
            "a long value",
            &[b"X-A: ", &[b'a'; 16_000][..], b"\r\n"].concat(),
        ),
        fields("a field twice", b"X-A: a\r\nX-A: b\r\n"),
        text(
            "no reason phrase",
            "HTTP/1.1 200\r\nContent-Length: 11\r\n\r\n<t>here</t>",
            "here",
        ),
        text(
            "an empty reason phrase",
            "HTTP/1.1 200 \r\nContent-Length: 11\r\n\r\n<t>here</t>",
            "here",
        ),
        text(
            "line feeds alone",
            "HTTP/1.1 200 OK\nContent-Length: 11\n\n<t>here</t>",
            "here",
        ),
        text(
            "early hints",
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n<t>here</t>",
            "here",
        ),
        error("nothing", "", "first byte: "),
        error(
            "another protocol",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "first byte: ",
        ),
        error(
            "half a head",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "first byte: ",
        ),
        error(
            "a status that is none",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "first byte: ",
        ),
    ]
}

#[test]
fn heads_are_read_under_every_model() {
    check_all(&rows());
}
