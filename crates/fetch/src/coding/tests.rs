use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

/// Made by Brotli and zstd from `lines`; the latter with a check sum.
const LINES_BR: &[u8] = include_bytes!("../../tests/data/lines.br");
const LINES_ZSTD: &[u8] = include_bytes!("../../tests/data/lines.zst");
/// 50,000,000 zeros.
const BOMB_BR: &str = "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f0088c30200ddfb3ffeffffc13f0110870500baf77ffcffff837f02200e0b0074effff20f5e0fff04401c1600e8a0eb01";

fn lines() -> Vec<u8> {
    let lines = (0..400).map(|n| format!("line {n}, {}\n", n * n % 97));
    lines.collect::<String>().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member with every optional part of the header.
fn gzip_with_all(bytes: &[u8]) -> Vec<u8> {
    let plain = gzip(bytes);
    let head = b"\x1f\x8b\x08\x1e\0\0\0\0\0\x03\x05\0extraname\0comment\0\x12\x34";
    [head, &plain[10..]].concat()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn fields(values: &[&str]) -> HeaderMap {
    let field = |value: &&str| (CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
    let mut headers = HeaderMap::new();
    headers.extend(values.iter().map(field));
    headers
}

/// Decodes pieces of these lengths again and again.
fn decode(values: &[&str], body: &[u8], lengths: &[usize], limit: usize) -> Result<Vec<u8>, Error> {
    let mut decoder = Decoder::new(&fields(values), limit);
    let (mut rest, mut lengths) = (body, lengths.iter().cycle());
    while !rest.is_empty() {
        let piece;
        (piece, rest) = rest.split_at((*lengths.next().unwrap()).min(rest.len()));
        if !decoder.feed(piece)? {
            return Ok(decoder.into_bytes());
        }
    }
    decoder.check_end()?;
    Ok(decoder.into_bytes())
}

/// Every form of `lines`.
fn forms() -> Vec<(&'static [&'static str], Vec<u8>)> {
    let lines = lines();
    let (first, second) = lines.split_at(1000);
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    vec![
        (&[], lines.clone()),
        (&["identity"], lines.clone()),
        (&["utf-8"], lines.clone()),
        (&["gzip"], gzip(&lines)),
        (&["X-GZIP"], gzip_with_all(&lines)),
        (&["gzip"], [gzip(first), gzip_with_all(second)].concat()),
        (&["gzip"], [gzip(&lines), vec![0; 600]].concat()),
        (&["gzip"], [gzip(first), vec![0; 3], gzip(second)].concat()),
        (&["gzip"], [gzip(&lines), b"\r\n-- 1".to_vec()].concat()),
        (&["deflate"], zlib(&lines)),
        (&["deflate"], raw(&lines, Compression::best())),
        (&["deflate"], raw(&lines, Compression::none())),
        (&["br"], LINES_BR.to_vec()),
        (&["zstd"], LINES_ZSTD.to_vec()),
        (&["zstd"], zstd(&lines)),
        (
            &["zstd"],
            [zstd(first), skippable.to_vec(), zstd(second)].concat(),
        ),
        (&["zstd"], [skippable.to_vec(), zstd(&lines)].concat()),
        (&["gzip, gzip"], gzip(&gzip(&lines))),
        (&["gzip", "gzip"], gzip(&gzip(&lines))),
        (&["identity, gzip"], gzip(&lines)),
        (&["gzip,,identity", " ", "deflate"], zlib(&gzip(&lines))),
        (
            &["br, zstd", "deflate , gzip"],
            gzip(&zlib(&zstd(LINES_BR))),
        ),
    ]
}

#[test]
fn every_form_is_decoded_whatever_pieces_it_comes_in() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for (at, (values, body)) in forms().into_iter().enumerate() {
        for round in 0..20 {
            let lengths: Vec<_> = match round {
                0 => vec![1],
                1 => vec![usize::MAX],
                _ => (0..9).map(|_| random.usize(1..400)).collect(),
            };
            let decoded = decode(values, &body, &lengths, 1 << 20).unwrap();
            assert!(decoded == lines(), "{at}: {values:?} in {lengths:?}");
        }
    }
}

#[test]
fn a_stream_that_is_cut_at_any_byte_is_an_error_or_all_of_a_member() {
    let lines = lines();
    let whole = [1000, lines.len()];
    for (at, (values, body)) in forms().into_iter().enumerate() {
        if values.iter().all(|value| is_no_coding(value)) {
            continue;
        }
        for end in 1..body.len() {
            match decode(values, &body[..end], &[97], 1 << 20) {
                // What follows the last member may be cut, and the end of a member looks like that of all.
                Ok(decoded) => {
                    let good = whole.contains(&decoded.len()) || decoded.is_empty() && end <= 11;
                    assert!(good, "{at}: {values:?} at {end}: {}", decoded.len());
                    assert!(lines.starts_with(&decoded));
                }
                Err(error) => {
                    assert_eq!(error.phase(), Phase::Decode);
                    let text = error.to_string();
                    assert!(text.contains("in the middle of its"), "{at}: {text}");
                }
            }
        }
    }
}

#[test]
fn bytes_that_were_changed_are_an_error_or_decoded_and_never_a_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for (values, body) in forms() {
        for _ in 0..200 {
            let mut body = body.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..body.len());
                body[at] = random.u8(..);
            }
            let lengths = [random.usize(1..300)];
            if let Ok(decoded) = decode(values, &body, &lengths, 100_000) {
                assert!(decoded.len() <= 100_000);
            }
        }
    }
}

#[test]
fn every_coding_stops_at_the_limit() {
    let zeros = vec![0; 50_000_000];
    let bombs: [(&[&str], Vec<u8>); 6] = [
        (&["gzip"], gzip(&zeros)),
        (&["deflate"], zlib(&zeros)),
        (&["deflate"], raw(&zeros, Compression::best())),
        (&["zstd"], zstd(&zeros)),
        (&["br"], unhex(BOMB_BR)),
        (&["br, gzip", "gzip"], gzip(&gzip(&unhex(BOMB_BR)))),
    ];
    for (values, body) in bombs {
        let decoded = decode(values, &body, &[1 << 16], 1000).unwrap();
        assert_eq!(decoded, [0; 1000], "{values:?}");
        let decoded = decode(values, &body, &[1 << 16], 1_000_000).unwrap();
        assert_eq!(decoded.len(), 1_000_000, "{values:?}");
    }
}

#[test]
fn what_a_layer_in_the_middle_decodes_is_bounded_too() {
    // A gzip header whose name has 50 MB keeps the second layer waiting.
    let head = [
        b"\x1f\x8b\x08\x08\0\0\0\0\0\x03".to_vec(),
        vec![b'a'; 50_000_000],
    ]
    .concat();
    let error = decode(&["gzip, gzip"], &gzip(&head), &[1000], 1000).unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[test]
fn a_body_that_was_not_encoded_as_its_field_says_is_an_error() {
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let error = decode(&[coding], b"<!doctype html><p>plain", &[5], 1000).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&format!("the {coding} stream is corrupt")),
            "{text}"
        );
    }
    let error = decode(&["gzip, compress"], b"x", &[1], 10).unwrap_err();
    assert!(error.to_string().contains("`compress` is not known"));
    let error = decode(&["gzip, gzip, gzip", "gzip, gzip, gzip"], b"x", &[1], 10).unwrap_err();
    assert!(error.to_string().contains("6 content encodings"));
    assert_eq!(decode(&["compress"], b"", &[1], 10).unwrap(), b"");
    assert_eq!(decode(&["gzip"], b"", &[1], 10).unwrap(), b"");
}

#[test]
fn a_check_sum_that_is_wrong_is_an_error() {
    for (coding, mut body) in [("gzip", gzip(&lines())), ("deflate", zlib(&lines()))] {
        let sum = body.len() - if coding == "gzip" { 8 } else { 1 };
        body[sum] ^= 1;
        let error = decode(&[coding], &body, &[64], 1 << 20).unwrap_err();
        assert!(error.to_string().contains("corrupt"), "{error}");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}

#[test]
fn a_long_name_in_a_header_that_comes_byte_by_byte_is_passed_over() {
    let plain = gzip(b"text");
    let name = vec![b'n'; 250 * 1024];
    let head = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03";
    let body = [&head[..], &name, b"\0", &plain[10..]].concat();
    assert_eq!(decode(&["gzip"], &body, &[1], 1 << 20).unwrap(), b"text");
}
