//! Bodies that end early, late or not at all, and what they are packed in.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::{Row, check_all, error, page, text};

const TEXT: &str = "<t>here</t>";

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// Returns a page with a coding.
fn coded(coding: &str, body: Vec<u8>) -> Vec<u8> {
    page(format!("Content-Encoding: {coding}\r\n"), body)
}

fn chunked(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

fn ends() -> Vec<Row> {
    vec![
        text(
            "until the close",
            format!("HTTP/1.1 200 OK\r\n\r\n{TEXT}"),
            "here",
        ),
        text("HTTP/1.0", format!("HTTP/1.0 200 OK\r\n\r\n{TEXT}"), "here"),
        text(
            "more than the length",
            page("", TEXT)
                .into_iter()
                .chain(*b"HTTP/1.1 500")
                .collect::<Vec<u8>>(),
            "here",
        ),
        text(
            "chunks",
            chunked("4\r\n<t>h\r\n7\r\nere</t>\r\n0\r\n\r\n"),
            "here",
        ),
        text(
            "chunks with extensions",
            chunked("B;a=b;c\r\n<t>here</t>\r\n0\r\n\r\n"),
            "here",
        ),
        text(
            "chunks with trailers",
            chunked("b\r\n<t>here</t>\r\n0\r\nX-A: b\r\n\r\n"),
            "here",
        ),
        text(
            "a length with zeros",
            chunked("000b\r\n<t>here</t>\r\n000\r\n\r\n"),
            "here",
        ),
        error(
            "a short body",
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<t>here</t>",
            "body: ",
        ),
        error(
            "chunks without an end",
            chunked("b\r\n<t>here</t>\r\n"),
            "body: ",
        ),
        error(
            "a chunk that is cut",
            chunked("bb\r\n<t>here</t>"),
            "body: ",
        ),
        error(
            "a length that is none",
            chunked("x\r\n<t>here</t>\r\n0\r\n\r\n"),
            "body: ",
        ),
        error(
            "a missing page",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nGone",
            "status: 404 Not Found",
        ),
        error(
            "a broken server",
            "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n",
            "status: 503 Service Unavailable",
        ),
    ]
}

fn codings() -> Vec<Row> {
    let two = [gzip("<t>he"), gzip("re</t>")].concat();
    let mut cut = gzip(TEXT);
    cut.truncate(cut.len() - 9);
    let bomb = gzip(vec![b'a'; 1 << 20]);
    vec![
        text("gzip", coded("gzip", gzip(TEXT)), "here"),
        text("x-gzip", coded("x-gzip", gzip(TEXT)), "here"),
        text("capitals", coded("GZip", gzip(TEXT)), "here"),
        text("two members", coded("gzip", two), "here"),
        text("deflate", coded("deflate", zlib(TEXT)), "here"),
        text(
            "deflate without a wrapper",
            coded("deflate", deflate(TEXT)),
            "here",
        ),
        // One block that is not compressed, in each.
        text(
            "br",
            coded("br", [b"\xA0\0\x10", TEXT.as_bytes(), b"\x03"].concat()),
            "here",
        ),
        text(
            "zstd",
            coded(
                "zstd",
                [b"\x28\xB5\x2F\xFD\x20\x0B\x59\0\0", TEXT.as_bytes()].concat(),
            ),
            "here",
        ),
        text("gzip twice", coded("gzip, gzip", gzip(gzip(TEXT))), "here"),
        text(
            "gzip twice, in two fields",
            page(
                "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n",
                gzip(gzip(TEXT)),
            ),
            "here",
        ),
        text(
            "identity and gzip",
            coded("identity, gzip", gzip(TEXT)),
            "here",
        ),
        text(
            "br in gzip",
            coded(
                "br,gzip",
                gzip([b"\xA0\0\x10", TEXT.as_bytes(), b"\x03"].concat()),
            ),
            "here",
        ),
        text(
            "zeros behind gzip",
            coded("gzip", [&gzip(TEXT)[..], &[0; 500]].concat()),
            "here",
        ),
        text(
            "no bytes at all",
            page("Content-Encoding: gzip\r\n", ""),
            "",
        )
        .options(&["--extract", "^$"]),
        text("identity", coded("identity", TEXT.into()), "here"),
        text("no coding", coded("", TEXT.into()), "here"),
        error("a coding that is cut", coded("gzip", cut), "decode: "),
        error(
            "a coding that it is not",
            coded("gzip", TEXT.into()),
            "decode: ",
        ),
        error(
            "a coding that nobody knows",
            coded("lzw", TEXT.into()),
            "decode: ",
        ),
        error(
            "a bomb",
            coded("gzip", bomb),
            "decode: longer than the 1000 bytes allowed",
        )
        .options(&["--max-size", "1000"]),
        error(
            "a long page",
            page("", [b'a'; 1001]),
            "decode: longer than the 1000 bytes allowed",
        )
        .options(&["--max-size", "1000"]),
    ]
}

#[test]
fn bodies_end_under_every_model() {
    check_all(&ends());
}

#[test]
fn codings_are_undone_under_every_model() {
    check_all(&codings());
}
