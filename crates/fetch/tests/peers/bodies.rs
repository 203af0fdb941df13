//! Bodies: their codings, what the limits cut, and what ends them too early.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use switchboard_fetch::{Client, Content, Phase, Request};
use switchboard_runtime::Model;

use crate::support::{Peer, everywhere, with_peer};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An answer with these fields and this body, which ends with the connection.
fn answer(fields: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), body].concat()
}

/// Reads the content of an answer.
async fn content(answer: &[u8], limit: usize) -> Content {
    let peer = Peer::new(&[answer]);
    let request = Request::get(peer.url("/")).redirects(0);
    let response = Client::new().send(request).await.unwrap();
    let content = response.content(limit).await;
    peer.requests().await;
    content
}

#[test]
fn every_stack_of_codings_is_undone() {
    let text = "grüß dich, und noch einmal grüß dich".as_bytes();
    let rows: &[(&str, Vec<u8>)] = &[
        (
            "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n",
            gzip(&gzip(text)),
        ),
        ("Content-Encoding: gzip, gzip\r\n", gzip(&gzip(text))),
        ("Content-Encoding: identity, gzip\r\n", gzip(text)),
        ("Content-Encoding: deflate\r\n", raw_deflate(text)),
        (
            "Content-Encoding: deflate, gzip\r\n",
            gzip(&raw_deflate(text)),
        ),
        ("content-encoding: utf-8\r\n", text.to_vec()),
        (
            "Content-Encoding: gzip\r\n",
            [gzip(text), vec![0; 512]].concat(),
        ),
        (
            "Content-Encoding: gzip\r\n",
            [gzip(&text[..9]), gzip(&text[9..])].concat(),
        ),
    ];
    everywhere(|| async {
        for (fields, body) in rows {
            let content = content(&answer(fields, body), 1000).await;
            assert!(content.fault.is_none(), "{fields}: {:?}", content.fault);
            assert_eq!(content.decoded, text, "{fields}");
            assert_eq!(content.received, body[..], "{fields}");
            assert!(!content.is_cut);
        }
    });
    let lines = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/lines.br")).unwrap();
    let fields = "Content-Encoding: br\r\n";
    let got = Model::Blocking
        .run(content(&answer(fields, &lines), 1 << 20))
        .unwrap();
    assert!(got.decoded.starts_with(b"line 0, 0\nline 1, 1\n"));
}

#[test]
fn requests_say_which_codings_are_undone() {
    with_peer(
        || Peer::new(&[b"HTTP/1.1 204 No\r\n\r\n"]),
        |addr| async move {
            Client::new().get(&format!("http://{addr}/")).await.unwrap();
        },
        |requests| {
            let expected = "\r\naccept-encoding: gzip, deflate, br, zstd\r\n";
            assert!(requests[0].contains(expected), "{}", requests[0]);
        },
    );
}

#[test]
fn a_body_is_cut_at_the_limit_and_kept() {
    everywhere(|| async {
        let plain = content(&answer("", &[b'x'; 5000]), 1000).await;
        assert!(plain.is_cut && plain.fault.is_none());
        assert_eq!((plain.received.len(), plain.decoded.len()), (1000, 1000));
        let whole = content(&answer("", &[b'x'; 1000]), 1000).await;
        assert!(!whole.is_cut && whole.decoded.len() == 1000);
        let bomb = gzip(&vec![0; 20_000_000]);
        let bomb = content(&answer("Content-Encoding: gzip\r\n", &bomb), 30_000).await;
        assert!(bomb.is_cut && bomb.fault.is_none(), "{:?}", bomb.fault);
        assert_eq!(bomb.decoded, vec![0; 30_000]);
    });
}

#[test]
fn what_came_before_a_fault_is_kept() {
    everywhere(|| async {
        let cut = content(&answer("Content-Length: 100\r\n", b"half"), 1000).await;
        assert_eq!(cut.decoded, "half");
        assert_eq!(cut.fault.unwrap().phase(), Phase::Body);
        let chunks = answer("Transfer-Encoding: chunked\r\n", b"4\r\nhalf\r\n10\r\nmore");
        let cut = content(&chunks, 1000).await;
        assert!(cut.decoded.starts_with(b"half"));
        assert_eq!(cut.fault.unwrap().phase(), Phase::Body);
        let zipped = gzip(b"half a page, and the other half");
        let cut = content(&answer("Content-Encoding: gzip\r\n", &zipped[..30]), 1000).await;
        assert_eq!(cut.fault.unwrap().phase(), Phase::Decode);
        assert_eq!(cut.received, zipped[..30]);
        let wrong = content(&answer("Content-Encoding: gzip\r\n", b"plain"), 1000).await;
        assert_eq!(wrong.fault.unwrap().phase(), Phase::Decode);
        assert_eq!(wrong.received, "plain");
    });
}

#[test]
fn a_body_can_be_read_piece_by_piece() {
    let body = vec![b'x'; 300_000];
    everywhere(|| async {
        let peer = Peer::new(&[&answer("", &body)]);
        let mut response = Client::new().get(&peer.url("/")).await.unwrap();
        let mut length = 0;
        while let Some(chunk) = response.chunk().await.unwrap() {
            length += chunk.len();
        }
        assert_eq!(length, body.len());
        peer.requests().await;
    });
}
