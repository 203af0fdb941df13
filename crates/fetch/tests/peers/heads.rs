//! Heads that real servers send, and how browsers read them.

use switchboard_fetch::header::{HeaderMap, SET_COOKIE};
use switchboard_fetch::{Client, Error, Phase, Request, StatusCode};
use switchboard_runtime::Model;

use crate::support::{Peer, everywhere, page, with_peer};

/// Gets a page from a peer that answers with `answer`; returns its status, its fields and its body.
async fn get(answer: &[u8]) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
    let peer = Peer::new(&[answer]);
    let response = Client::new().get(&peer.url("/")).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes(1 << 20).await?;
    peer.requests().await;
    Ok((status, headers, body))
}

/// A name, an answer with the body `body`, and fields that must be read.
type Odd = (
    &'static str,
    &'static [u8],
    &'static [(&'static str, &'static str)],
);

const ODD: &[Odd] = &[
    ("folded", b"HTTP/1.1 200 OK\r\nX-A: one\r\n\ttwo\r\n  three\r\nX-B: b\r\nContent-Length: 4\r\n\r\nbody", &[("x-b", "b")]),
    ("blank before the colon", b"HTTP/1.1 200 OK\r\nX-A : a\r\nContent-Length\t: 4\r\n\r\nbody", &[("x-a", "a")]),
    ("no blank behind it", b"HTTP/1.1 200 OK\r\nX-A:a\r\nContent-Length:4\r\n\r\nbody", &[("x-a", "a")]),
    ("control bytes in a cookie", b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\x01c\r\nSet-Cookie: d=\x7f\r\nX-A: a\r\nContent-Length: 4\r\n\r\nbody", &[("x-a", "a")]),
    ("Latin-1", b"HTTP/1.1 200 OK\r\nX-A: caf\xe9\r\nContent-Length: 4\r\n\r\nbody", &[]),
    ("UTF-8", b"HTTP/1.1 200 OK\r\nX-A: caf\xc3\xa9\r\nContent-Length: 4\r\n\r\nbody", &[]),
    ("a name with a blank", b"HTTP/1.1 200 OK\r\nX A: a\r\nX-B: b\r\nContent-Length: 4\r\n\r\nbody", &[("x-b", "b")]),
    ("a line without a colon", b"HTTP/1.1 200 OK\r\nnonsense\r\nX-B: b\r\nContent-Length: 4\r\n\r\nbody", &[("x-b", "b")]),
    ("no name", b"HTTP/1.1 200 OK\r\n: a\r\nX-B: b\r\nContent-Length: 4\r\n\r\nbody", &[("x-b", "b")]),
    ("an empty value", b"HTTP/1.1 200 OK\r\nX-A:\r\nX-B: b\r\nContent-Length: 4\r\n\r\nbody", &[("x-a", ""), ("x-b", "b")]),
    ("LF alone", b"HTTP/1.1 200 OK\nX-A: a\nContent-Length: 4\n\nbody", &[("x-a", "a")]),
    ("empty lines before it", b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", &[]),
    ("no reason", b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody", &[]),
    ("an empty reason", b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nbody", &[]),
    ("a reason in Latin-1", b"HTTP/1.1 200 D\xe9j\xe0 vu\r\nContent-Length: 4\r\n\r\nbody", &[]),
    ("HTTP/1.0 up to the end", b"HTTP/1.0 200 OK\r\n\r\nbody", &[]),
    ("HTTP/1.1 up to the end", b"HTTP/1.1 200 OK\r\nX-A: a\r\n\r\nbody", &[("x-a", "a")]),
    ("early hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", &[]),
    ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nbo\r\n002 \r\ndy\r\n0\r\nX-Trailer: t\r\n\r\n", &[]),
    ("chunks and a length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 999\r\n\r\n4\r\nbody\r\n0\r\n\r\n", &[]),
    ("the same length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody", &[]),
];

#[test]
fn odd_heads_are_read_as_browsers_read_them() {
    everywhere(|| async {
        for (name, answer, fields) in ODD {
            let (status, headers, body) = get(answer).await.unwrap_or_else(|error| {
                panic!("{name}: {error}");
            });
            assert_eq!(
                (status, &body[..]),
                (StatusCode::OK, &b"body"[..]),
                "{name}"
            );
            for (field, value) in *fields {
                assert_eq!(headers.get(*field).unwrap(), *value, "{name}: {field}");
            }
        }
    });
}

#[test]
fn a_folded_field_is_one_line() {
    let answer = b"HTTP/1.1 200 OK\r\nX-A: one\r\n\t two\r\n three  \r\nContent-Length: 0\r\n\r\n";
    let (_, headers, _) = Model::Blocking.run(get(answer)).unwrap().unwrap();
    let value = headers["x-a"].to_str().unwrap();
    assert_eq!(
        value.split_ascii_whitespace().collect::<Vec<_>>(),
        ["one", "two", "three"]
    );
    assert!(!value.contains(['\r', '\n']), "{value:?}");
}

#[test]
fn bytes_that_are_not_ascii_are_kept() {
    let answer = b"HTTP/1.1 200 OK\r\nX-A: caf\xe9 \xc3\xa9\r\nContent-Length: 0\r\n\r\n";
    let (_, headers, _) = Model::Blocking.run(get(answer)).unwrap().unwrap();
    assert_eq!(headers["x-a"].as_bytes(), b"caf\xe9 \xc3\xa9");
}

#[test]
fn a_thousand_fields_are_read_and_more_are_refused() {
    everywhere(|| async {
        for (count, fits) in [(150, true), (990, true), (1100, false)] {
            let cookies = (0..count).map(|n| format!("Set-Cookie: n{n}=v; Path=/\r\n"));
            let cookies: String = cookies.collect();
            let answer = format!("HTTP/1.1 200 OK\r\n{cookies}Content-Length: 4\r\n\r\nbody");
            match get(answer.as_bytes()).await {
                Ok((_, headers, body)) => {
                    assert!(fits && body == b"body");
                    assert_eq!(headers.get_all(SET_COOKIE).iter().count(), count);
                }
                Err(error) => assert!(!fits && error.phase() == Phase::FirstByte, "{error}"),
            }
        }
    });
}

#[test]
fn heads_that_say_two_things_are_refused() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody",
        b"HTTP/1.1 OK 200\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 99 Low\r\n\r\nbody",
        b"ICY 200 OK\r\n\r\nbody",
        b"<html>no head at all</html>",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ] {
        let error = Model::Blocking.run(get(answer)).unwrap().unwrap_err();
        assert_eq!(error.phase(), Phase::FirstByte, "{error}");
    }
}

#[test]
fn a_connection_serves_again_after_early_hints() {
    let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let answer = [&hints[..], &page("body")].concat();
    with_peer(
        || Peer::keeping(vec![vec![answer.clone(), page("again")]]),
        |addr| async move {
            let client = Client::new();
            for expected in ["body", "again"] {
                let response = client.get(&format!("http://{addr}/")).await.unwrap();
                assert_eq!(response.bytes(100).await.unwrap(), expected.as_bytes());
            }
        },
        |requests| assert_eq!(requests.len(), 2),
    );
}

#[test]
fn heads_are_kept_as_they_went_over_the_connection() {
    let head = b"HTTP/1.1 200 Fine\r\nX-Odd : Case\r\n  and fold\r\nContent-Length: 4\r\n\r\n";
    let answer = [
        b"HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\n",
        &head[..],
        b"body",
    ]
    .concat();
    with_peer(
        || Peer::new(&[&answer]),
        |addr| {
            let answer_head = head.to_vec();
            async move {
                let request = Request::get(format!("http://{addr}/a?b")).keep_heads();
                let response = Client::new().send(request).await.unwrap();
                assert_eq!(response.peer_addr(), Some(addr));
                let heads = response.heads().unwrap().clone();
                assert_eq!(heads.received, answer_head);
                let sent = String::from_utf8(heads.sent).unwrap();
                let expected = format!("GET /a?b HTTP/1.1\r\nhost: {addr}\r\n");
                assert!(
                    sent.starts_with(&expected) && sent.ends_with("\r\n\r\n"),
                    "{sent}"
                );
                assert_eq!(response.bytes(100).await.unwrap(), b"body");
            }
        },
        drop,
    );
    let peer = Peer::new(&[&page("body")]);
    let response = Model::Blocking
        .run(Client::new().get(&peer.url("/")))
        .unwrap();
    assert_eq!(response.unwrap().heads(), None);
}
