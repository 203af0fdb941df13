//! Where requests end, and what is refused: the topics of h1spec and of request smuggling, under every model
//! and driver.

use std::io::ErrorKind;

use switchboard_http::serve_connection;

use support::{echo, exchange, models_and_drivers, statuses};

mod support;

/// Checks the statuses that each of the requests is answered with, up to the end of input.
fn check(cases: &[(&str, &str, &[&str])]) {
    for way in models_and_drivers() {
        for (name, request, expected) in cases {
            let (text, served) = exchange(way, request.as_bytes(), |stream| {
                serve_connection(stream, echo)
            });
            assert_eq!(statuses(&text), *expected, "{name} under {way:?}: {text}");
            let refused = expected.last().is_some_and(|status| *status != "200");
            assert_eq!(served.is_err(), refused, "{name} under {way:?}: {served:?}");
            if refused {
                assert!(text.contains("connection: close"), "{name}: {text}");
            }
        }
    }
}

const WHOLE: &str = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_head_that_comes_in_two_pieces_is_served_and_a_cut_one_refused() {
    // Topics 1 to 15 of h1spec: what is incomplete is waited for.
    let pieces = [
        "G",
        "GET ",
        "GET /hello",
        "GET /hello ",
        "GET /hello HTTP",
        "GET /hello HTTP/1.1",
        "GET /hello HTTP/1.1\r",
        "GET /hello HTTP/1.1\r\n",
        "GET /hello HTTP/1.1\r\nHos",
        "GET /hello HTTP/1.1\r\nHost:",
        "GET /hello HTTP/1.1\r\nHost: ",
        "GET /hello HTTP/1.1\r\nHost: localhost",
        "GET /hello HTTP/1.1\r\nHost: localhost\r",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\n",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r",
    ];
    for piece in pieces {
        assert!(WHOLE.starts_with(piece));
        check(&[
            ("cut", piece, &["400"]),
            ("cut later", &format!("{WHOLE}{piece}"), &["200", "400"]),
        ]);
    }
}

#[test]
fn the_topics_of_h1spec_are_answered_as_it_asks() {
    check(&[
        ("no version", "GET / \r\n\r\n", &["400"]),
        (
            "an expectation without a body",
            "GET / HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\n\r\n",
            &["200"],
        ),
        (
            "valid",
            "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
            &["200"],
        ),
        (
            "a tab, and an empty value",
            "GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n",
            &["200"],
        ),
        (
            "a name with brackets",
            "GET / HTTP/1.1\r\nHost: example.com\r\nX-Invalid[]: test\r\n\r\n",
            &["400"],
        ),
        (
            "no Host",
            "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            &["400"],
        ),
        (
            "two Hosts",
            "GET / HTTP/1.1\r\nHost: example.com\r\nHost: example.org\r\n\r\n",
            &["400"],
        ),
        (
            "a negative length that overflows",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -123456789123456789123456789\r\n\r\n",
            &["400"],
        ),
        (
            "a negative length",
            "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: -1234\r\n\r\n",
            &["400"],
        ),
        (
            "a length that is no number",
            "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: abc\r\n\r\n",
            &["400"],
        ),
        (
            "an empty value behind a space",
            "GET / HTTP/1.1\r\nHost: example.com\r\nX-Empty-Header: \r\n\r\n",
            &["200"],
        ),
        (
            "a control character in a value",
            "GET / HTTP/1.1\r\nHost: example.com\r\nX-Bad: test\x07\r\n\r\n",
            &["400"],
        ),
        (
            "HTTP/9.9",
            "GET / HTTP/9.9\r\nHost: example.com\r\n\r\n",
            &["505"],
        ),
        (
            "a prefix",
            "Extra lineGET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
            &["400"],
        ),
        (
            "a CR that ends no line",
            "GET / HTTP/1.1\r\nHost: example.com\r\n\rSome-Header: Test\r\n\r\n",
            &["400"],
        ),
        (
            "a body",
            "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello",
            &["200"],
        ),
        (
            "a length and a coding",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            &["400"],
        ),
    ]);
}

#[test]
fn requests_that_others_may_read_differently_are_refused() {
    // Each is followed by a request, which must not be answered.
    let post = |fields: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nHost: here\r\n{fields}\r\n\r\n{body}{WHOLE}")
    };
    let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
    for (name, request) in [
        (
            "coding first",
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 5",
                "0\r\n\r\n",
            ),
        ),
        (
            "two lengths",
            post("Content-Length: 5\r\nContent-Length: 6", "hello"),
        ),
        ("a list of lengths", post("Content-Length: 5, 5", "hello")),
        ("a signed length", post("Content-Length: +5", "hello")),
        ("a length by parts", post("Content-Length: 5 5", "hello")),
        (
            "two codings",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                "",
            ),
        ),
        (
            "chunked is not last",
            post("Transfer-Encoding: chunked, identity", ""),
        ),
        ("a similar coding", post("Transfer-Encoding: xchunked", "")),
        (
            "a coding with VT",
            post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"),
        ),
        (
            "a space before the colon",
            post("Content-Length : 5", "hello"),
        ),
        (
            "a tab before the colon",
            post("Transfer-Encoding\t: chunked", "0\r\n\r\n"),
        ),
        (
            "a folded value",
            post("a: b\r\n Content-Length: 5", "hello"),
        ),
        (
            "a space before the name",
            post(" Content-Length: 5", "hello"),
        ),
        ("NUL in a value", post("a: b\0c", "")),
        ("NUL in a name", post("a\0: b", "")),
        ("LF alone", post("a: b\nContent-Length: 5", "hello")),
        (
            "LF alone behind spaces",
            post("a: b  \nContent-Length: 5", "hello"),
        ),
        (
            "LF alone behind no value",
            post("a:\nContent-Length: 5", "hello"),
        ),
        ("CR alone", post("a: b\rContent-Length: 5", "hello")),
        ("no size", chunked("\r\nhello\r\n0\r\n\r\n")),
        ("a negative size", chunked("-1\r\nhello\r\n0\r\n\r\n")),
        ("a size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n")),
        ("a size by parts", chunked("5 5\r\nhello\r\n0\r\n\r\n")),
        (
            "a size that overflows",
            chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ),
        ("LF alone behind a size", chunked("5\nhello\r\n0\r\n\r\n")),
        (
            "LF alone behind an extension",
            chunked("5;a\nhello\r\n0\r\n\r\n"),
        ),
        (
            "a chunk that is too long",
            chunked("5\r\nhello!\r\n0\r\n\r\n"),
        ),
        ("LF alone behind a chunk", chunked("5\r\nhello\n0\r\n\r\n")),
        ("a trailer with a space", chunked("0\r\na : b\r\n\r\n")),
        (
            "a bad host",
            format!("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n{WHOLE}"),
        ),
        (
            "a list of hosts",
            format!("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n{WHOLE}"),
        ),
        (
            "LF alone",
            format!("GET / HTTP/1.1\nHost: here\r\n\r\n{WHOLE}"),
        ),
        (
            "LF alone at the end",
            format!("GET / HTTP/1.1\r\nHost: here\r\n\n{WHOLE}"),
        ),
        (
            "LF alone before",
            format!("\nGET / HTTP/1.1\r\nHost: here\r\n\r\n{WHOLE}"),
        ),
        (
            "two spaces",
            format!("GET  / HTTP/1.1\r\nHost: here\r\n\r\n{WHOLE}"),
        ),
        (
            "a fragment",
            format!("GET /a#b HTTP/1.1\r\nHost: here\r\n\r\n{WHOLE}"),
        ),
        (
            "no target",
            format!("GET here HTTP/1.1\r\nHost: here\r\n\r\n{WHOLE}"),
        ),
        (
            "user information",
            format!("GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n{WHOLE}"),
        ),
        (
            "another scheme",
            format!("GET ftp://b/ HTTP/1.1\r\nHost: b\r\n\r\n{WHOLE}"),
        ),
        (
            "an asterisk",
            format!("GET * HTTP/1.1\r\nHost: here\r\n\r\n{WHOLE}"),
        ),
        (
            "a coding in HTTP/1.0",
            format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{WHOLE}"),
        ),
    ] {
        check(&[(name, &request, &["400"])]);
    }
    check(&[
        (
            "an unknown coding",
            &post("Transfer-Encoding: gzip, chunked", ""),
            &["501"],
        ),
        ("an expectation", &post("Expect: a miracle", ""), &["417"]),
        ("TLS", "\x16\x03\x01\x02\0\x01", &["400"]),
    ]);
}

#[test]
fn each_request_is_read_to_its_end_and_no_further() {
    let requests = [
        "POST /a HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n\r\nhello",
        "POST /b HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n\
         3;x=y\r\nabc\r\n0A\r\n0123456789\r\n000\r\nsum: 1\r\n\r\n",
        "\r\n\r\nGET /c?d HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: here\r\n\r\n",
        "GET http://[::1]:80/e HTTP/1.1\r\nhost: here\r\n\r\n",
        "DELETE /f HTTP/1.1\r\nhost:\r\n\r\n",
    ];
    let expected = [
        "<POST /a hello>",
        "<POST /b abc0123456789>",
        "<GET /c >",
        "<OPTIONS * >",
        "<GET /e >",
        "<DELETE /f >",
    ];
    for way in models_and_drivers() {
        let (text, served) = exchange(way, requests.concat().as_bytes(), |stream| {
            serve_connection(stream, echo)
        });
        served.unwrap();
        let bodies: Vec<&str> = text.split("\r\n\r\n").skip(1).collect();
        assert_eq!(bodies.len(), expected.len(), "{text}");
        for (body, expected) in bodies.iter().zip(expected) {
            assert!(body.starts_with(expected), "{text}");
        }
    }
}

#[test]
fn the_errors_of_connections_name_the_reason() {
    let way = models_and_drivers()[0];
    let serve = |request: &str| {
        let (_, served) = exchange(way, request.as_bytes(), |stream| {
            serve_connection(stream, echo)
        });
        served.unwrap_err()
    };
    let refused = serve("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    assert_eq!(refused.to_string(), "400 no Host field");
    let empty = serve("\r\n\r\n\r\n\r\n\r\n");
    let text = "400 more than 4 empty lines before a request";
    assert_eq!(empty.to_string(), text);
    let lines = serve("\n\n");
    assert_eq!(lines.to_string(), "400 a line that ends in LF alone");
    let cut = serve("GET / HT");
    let text = "400 the end of input in the middle of a request's head";
    assert_eq!(cut.to_string(), text);
}
