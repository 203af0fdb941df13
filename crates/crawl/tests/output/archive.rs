//! WARC: read by a small reader of ours after each cut, and by warcio and fastwarc.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::bufread::GzDecoder;
use serde_json::Value;
use switchboard_crawl::output::Outputs;

use super::rows::{self, row, rows};
use super::{Folder, about, python};

pub(crate) struct Record {
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) block: Vec<u8>,
    /// Where it ends in what was read.
    pub(crate) end: usize,
}

/// Reads records, and panics at what is no record.
pub(crate) fn records(bytes: &[u8]) -> Vec<Record> {
    let (mut records, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let end = bytes[at..]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("the head ends")
            + at;
        let head = std::str::from_utf8(&bytes[at..end]).unwrap();
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("WARC/1.1"));
        let fields = lines.map(|line| line.split_once(": ").unwrap());
        let fields: BTreeMap<String, String> = fields
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let length: usize = fields["Content-Length"].parse().unwrap();
        let block = bytes[end + 4..end + 4 + length].to_vec();
        at = end + 4 + length + 4;
        assert_eq!(&bytes[at - 4..at], b"\r\n\r\n");
        records.push(Record {
            fields,
            block,
            end: at,
        });
    }
    records
}

/// Returns the numbers of the rows whose responses are in an archive, each of which has its request.
pub(crate) fn numbers(bytes: &[u8]) -> Vec<u64> {
    let records = records(bytes);
    let Some((first, rest)) = records.split_first() else {
        return Vec::new();
    };
    assert_eq!(first.fields["WARC-Type"], "warcinfo");
    let pairs = rest.chunks_exact(2);
    assert!(pairs.remainder().is_empty());
    let seq = |record: &Record| {
        let uri = &record.fields["WARC-Target-URI"];
        uri["http://a.example/".len()..]
            .split('?')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let numbers = pairs.map(|pair| {
        assert_eq!(pair[0].fields["WARC-Type"], "response");
        assert_eq!(pair[1].fields["WARC-Type"], "request");
        assert_eq!(
            pair[1].fields["WARC-Concurrent-To"],
            pair[0].fields["WARC-Record-ID"]
        );
        assert_eq!(seq(&pair[0]), seq(&pair[1]));
        seq(&pair[0])
    });
    numbers.collect()
}

/// Returns the ends of the members of a gzip file, and what they hold.
fn members(bytes: &[u8]) -> (Vec<usize>, Vec<Vec<u8>>) {
    let (mut rest, mut ends, mut contents) = (bytes, Vec::new(), Vec::new());
    while !rest.is_empty() {
        let mut decoder = GzDecoder::new(rest);
        let mut content = Vec::new();
        decoder.read_to_end(&mut content).unwrap();
        rest = decoder.into_inner();
        ends.push(bytes.len() - rest.len());
        contents.push(content);
    }
    (ends, contents)
}

/// Returns what is in a gzip file, each member of which is a record.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let (_, contents) = members(bytes);
    assert!(contents.iter().all(|content| records(content).len() == 1));
    contents.concat()
}

fn write(folder: &Folder, last: u64) -> [Vec<u8>; 2] {
    let files = folder.files(&["c.warc", "d.warc.gz"]);
    let mut outputs = Outputs::open(&files, &[], 0, &about()).unwrap();
    outputs.append(&rows(1, last)).unwrap();
    [fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap()]
}

#[test]
fn records_say_what_came() {
    let folder = Folder::new("records");
    let [plain, gzip] = write(&folder, rows::KINDS);
    let all = records(&plain);
    assert_eq!(all.len(), 1 + 2 * (rows::KINDS as usize - 1));
    assert_eq!(records(&gunzip(&gzip)).len(), all.len());
    let info = String::from_utf8(all[0].block.clone()).unwrap();
    assert!(info.contains("software: switchboard/0.1.0\r\n"), "{info}");
    assert!(
        info.contains("http-header-user-agent: switchboard/0.1.0 (+https://a.example)  X: y\r\n"),
        "{info}"
    );
    assert_eq!(all[0].fields["WARC-Filename"], "c.warc");
    let responses: Vec<&Record> = all
        .iter()
        .filter(|record| record.fields["WARC-Type"] == "response")
        .collect();
    let block = |index: usize| String::from_utf8_lossy(&responses[index].block).into_owned();
    assert_eq!(
        block(0),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(
        responses[0].fields["WARC-Date"],
        "2026-11-28T10:48:09.123457Z"
    );
    assert_eq!(responses[0].fields["WARC-IP-Address"], "2001:db8::1");
    assert!(block(1).starts_with("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n"));
    assert!(block(2).starts_with(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-A: 1\r\nX-A: 2\r\n\r\n\u{1f}"
    ));
    assert!(block(3).starts_with("HTTP/1.1 200 OK\r\nX-B: b\r\n\r\n"));
    assert_eq!(block(4), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert_eq!(block(5), "HTTP/1.0 200 \r\n\r\nhello");
    // The seventh row has no answer.
    assert_eq!(responses[6].fields["WARC-Truncated"], "length");
    assert_eq!(responses[7].fields["WARC-Protocol"], "h2");
    assert!(
        block(7).contains(
            "X-Forged: a  X-B: c    d \r\nX-Tab: a\tb\u{1b}[0m\r\nX-Empty: \r\n\r\nhello"
        ),
        "{}",
        block(7)
    );
    let ids: std::collections::HashSet<&String> = all
        .iter()
        .map(|record| &record.fields["WARC-Record-ID"])
        .collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn other_programs_read_the_archives() {
    let Some(python) = python::python("archives", "warcio, fastwarc") else {
        return;
    };
    let folder = Folder::new("readers");
    let [plain, gzip] = write(&folder, 2 * rows::KINDS);
    // Cut at each end of a record, and whole.
    let mut files = Vec::new();
    let ends = records(&plain)
        .into_iter()
        .map(|record| record.end)
        .collect();
    for (bytes, ends, end) in [(&plain, ends, "warc"), (&gzip, members(&gzip).0, "warc.gz")] {
        // One before the first response has no digest of a payload to pass.
        for (number, &at) in ends.iter().enumerate().skip(1) {
            let path = folder.0.join(format!("cut-{number}.{end}"));
            fs::write(&path, &bytes[..at]).unwrap();
            files.push(path.to_str().unwrap().to_owned());
        }
    }
    let paths: Vec<&str> = files.iter().map(|path| &path[..]).collect();
    let last = paths.len() - 1;
    python::run(&python, "check_warc.py", &paths);
    let seen = python::run(&python, "check_warc.py", &paths[last..]);
    let seen: Vec<Value> = seen
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sent: Vec<_> = rows(1, 2 * rows::KINDS)
        .into_iter()
        .filter(|row| row.answer.is_some())
        .collect();
    assert_eq!(seen.len(), sent.len());
    for (seen, sent) in seen.iter().zip(&sent) {
        let answer = row(sent.seq).answer.unwrap();
        assert_eq!(seen["address"], sent.address.as_str());
        assert_eq!(
            seen["truncated"].as_str(),
            answer.truncated.map(|why| why.name())
        );
        assert_eq!(
            seen["status"].as_str().unwrap().trim(),
            format!("{} {}", answer.status, answer.reason).trim()
        );
        let body = BASE64_STANDARD
            .decode(seen["body"].as_str().unwrap())
            .unwrap();
        assert_eq!(body, answer.archived()[..], "{}", sent.address);
    }
}
