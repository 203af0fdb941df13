//! Heads that servers send, and no standard allows.

use super::{Row, check_all, error, page, text};

fn rows() -> Vec<Row> {
    let fields = |name, fields: &[u8]| text(name, page(fields, "<t>here</t>"), "here");
    vec![
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
