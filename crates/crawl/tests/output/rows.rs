//! Rows of every kind: what servers send, and what does not come.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Version;
use switchboard_crawl::Address;
use switchboard_crawl::output::{Answer, Fetched, Truncated};

pub(crate) const KINDS: u64 = 11;

/// Returns a row of one of the kinds, by its number.
pub(crate) fn row(seq: u64) -> Fetched {
    let kind = (seq - 1) % KINDS;
    let address = Address::parse(&format!("http://a.example/{seq}?x=ä,b")).unwrap();
    let failed = kind == 6;
    Fetched {
        seq,
        request: match failed {
            true => Bytes::new(),
            false => format!(
                "GET {} HTTP/1.1\r\nHost: a.example\r\n\r\n",
                address.path_and_query()
            )
            .into(),
        },
        address,
        depth: kind as u32,
        parent: (kind > 0).then(|| Address::parse("http://a.example/parent").unwrap()),
        started: SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_862_889_123_456 + seq),
        took: Duration::from_micros(1_234 * seq),
        peer: (!failed).then(|| {
            format!("[2001:db8::1]:{}", 1 + seq % 60_000)
                .parse()
                .unwrap()
        }),
        answer: (!failed).then(|| answer(kind)),
        fate: if failed { "failed" } else { "fetched" },
        cause: failed.then(|| "connect: Connection refused, \"for now\"".to_owned()),
        title: [
            "Hello",
            "",
            "=1+1",
            "a \"b\", c",
            "two\r\nlines",
            "日本語 é",
            "\u{0}\u{7f}",
        ][seq as usize % 7]
            .to_owned(),
        links: seq as u32 % 100,
    }
}

pub(crate) fn rows(from: u64, to: u64) -> Vec<Fetched> {
    (from..=to).map(row).collect()
}

fn answer(kind: u64) -> Answer {
    let any: Bytes = (0..2_000u32)
        .map(|byte| byte as u8)
        .collect::<Vec<u8>>()
        .into();
    let plain = Answer {
        version: Version::HTTP_11,
        status: 200,
        reason: "OK".into(),
        fields: fields(&[
            ("Content-Type", b"text/html; charset=utf-8"),
            ("Content-Length", b"5"),
        ]),
        body: Bytes::from_static(b"hello"),
        received: None,
        truncated: None,
    };
    match kind {
        // Chunked: the chunks are undone.
        1 => Answer {
            fields: fields(&[
                ("transfer-encoding", b"chunked"),
                ("Trailer", b"X-Sum"),
                ("Content-Type", b"a/b"),
            ]),
            body: any,
            ..plain
        },
        // A coding, with what was received.
        2 => Answer {
            fields: fields(&[("Content-Encoding", b"gzip"), ("X-A", b"1"), ("X-A", b"2")]),
            received: Some(gzip(&any)),
            body: any,
            ..plain
        },
        // A coding, of which only the decoded body is left.
        3 => Answer {
            fields: fields(&[
                ("content-encoding", b"br"),
                ("content-length", b"9999"),
                ("X-B", b"b"),
            ]),
            body: any,
            ..plain
        },
        4 => Answer {
            status: 304,
            reason: "Not Modified".into(),
            fields: fields(&[]),
            body: Bytes::new(),
            ..plain
        },
        // No field, no reason, an old version.
        5 => Answer {
            version: Version::HTTP_10,
            reason: String::new(),
            fields: fields(&[]),
            ..plain
        },
        7 => Answer {
            truncated: Some(Truncated::Length),
            ..plain
        },
        8 => Answer {
            version: Version::HTTP_2,
            reason: String::new(),
            fields: fields(&[
                ("X-Latin", b"caf\xe9"),
                ("X-Forged", b"a\r\nX-B: c\r\n\r\nd\0"),
                ("X-Tab", b"a\tb\x1b[0m"),
                ("X-Empty", b""),
            ]),
            ..plain
        },
        9 => Answer {
            status: 302,
            reason: "Found".into(),
            fields: fields(&[
                ("Location", b"/elsewhere, \"quoted\""),
                ("Content-Length", b"0"),
            ]),
            body: Bytes::new(),
            ..plain
        },
        // Bodies that look like records.
        10 => Answer {
            body: Bytes::from_static(
                b"\r\n\r\nWARC/1.1\r\nWARC-Type: response\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n",
            ),
            truncated: Some(Truncated::Disconnect),
            ..plain
        },
        _ => plain,
    }
}

fn fields(fields: &[(&str, &[u8])]) -> Vec<(String, Bytes)> {
    let owned = fields
        .iter()
        .map(|&(name, value)| (name.to_owned(), Bytes::copy_from_slice(value)));
    owned.collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}
