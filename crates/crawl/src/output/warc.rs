//! WARC/1.1 (ISO 28500:2017): an archive that replays.
//!
//! A file begins with a `warcinfo` record. Each row with an answer has a `response` record, and a `request`
//! record that names it; rows without an answer have none. In `.warc.gz` each record is a gzip member of its own,
//! so a reader can begin at any record, and the file can be cut before any.
//!
//! A response's block is the answer without its transfer coding: chunks are joined, and `Transfer-Encoding` and
//! `Trailer` are left out. Content codings stay as they were sent. Where only the decoded bytes were kept,
//! `Content-Encoding` and `Content-Length` are left out too, so that the head is true. An answer by HTTP/2 is written
//! with the status line of HTTP/1.1, and `WARC-Protocol: h2` says so. Digests are SHA-1 in base 32: of the block, and of
//! the body as it is in the block. `WARC-Truncated` says why a body is not whole.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Version;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::stream::Format;
use super::{About, Answer, Fetched, date};

pub(super) struct Warc {
    gzip: bool,
    file_name: String,
    about: About,
    random: SystemRandom,
}

/// A record: its named fields without those of its block, and the pieces of its block.
struct Record<'a> {
    head: String,
    /// What is before the body in the block.
    start: &'a [u8],
    /// The body of the message, with which a payload digest goes; `None` if the block is no message with a body.
    body: Option<&'a [u8]>,
}

impl Warc {
    pub(super) fn new(gzip: bool, file_name: &str, about: &About) -> Warc {
        Warc {
            gzip,
            file_name: file_name.to_owned(),
            about: about.clone(),
            random: SystemRandom::new(),
        }
    }

    /// Returns a new random UUID as an URN.
    fn id(&self) -> io::Result<String> {
        let mut bytes = [0; 16];
        let filled = self.random.fill(&mut bytes);
        filled.map_err(|_| io::Error::other("the system gives no random numbers"))?;
        // Version 4, variant 1.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut id = String::from("<urn:uuid:");
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                id.push('-');
            }
            id.push_str(&format!("{byte:02x}"));
        }
        id.push('>');
        Ok(id)
    }

    fn write(&self, record: &Record<'_>, into: &mut Vec<u8>) -> io::Result<()> {
        let body = record.body.unwrap_or_default();
        let mut head = record.head.clone();
        head += &format!("WARC-Block-Digest: {}\r\n", digest(&[record.start, body]));
        if record.body.is_some() {
            head += &format!("WARC-Payload-Digest: {}\r\n", digest(&[body]));
        }
        head += &format!(
            "Content-Length: {}\r\n\r\n",
            record.start.len() + body.len()
        );
        let pieces = [head.as_bytes(), record.start, body, b"\r\n\r\n"];
        if !self.gzip {
            pieces
                .iter()
                .for_each(|piece| into.extend_from_slice(piece));
            return Ok(());
        }
        let mut member = GzEncoder::new(into, Compression::default());
        pieces
            .iter()
            .try_for_each(|piece| member.write_all(piece))?;
        member.finish()?;
        Ok(())
    }
}

impl Format for Warc {
    fn begin(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let About {
            software,
            user_agent,
            robots,
        } = &self.about;
        let robots = if *robots { "obey" } else { "ignore" };
        let block = format!(
            "software: {}\r\nformat: WARC File Format 1.1\r\n\
             conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n\
             robots: {robots}\r\nhttp-header-user-agent: {}\r\n",
            line(software.as_bytes()),
            line(user_agent.as_bytes()),
        );
        let head = format!(
            "WARC/1.1\r\nWARC-Type: warcinfo\r\nWARC-Record-ID: {}\r\nWARC-Date: {}\r\n\
             WARC-Filename: {}\r\nContent-Type: application/warc-fields\r\n",
            self.id()?,
            date(std::time::SystemTime::now()),
            line(self.file_name.as_bytes()),
        );
        let record = Record {
            head,
            start: block.as_bytes(),
            body: None,
        };
        self.write(&record, into)
    }

    fn row(&mut self, row: &Fetched, into: &mut Vec<u8>) -> io::Result<()> {
        let Some(answer) = &row.answer else {
            return Ok(());
        };
        let response = self.id()?;
        let mut common = format!(
            "WARC-Date: {}\r\nWARC-Target-URI: {}\r\n",
            date(row.started),
            row.address.as_str()
        );
        if let Some(peer) = row.peer {
            common += &format!("WARC-IP-Address: {}\r\n", peer.ip());
        }
        if answer.version == Version::HTTP_2 {
            common += "WARC-Protocol: h2\r\n";
        }
        let mut head = format!(
            "WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: {response}\r\n{common}\
             Content-Type: application/http; msgtype=response\r\n"
        );
        if let Some(why) = answer.truncated {
            head += &format!("WARC-Truncated: {}\r\n", why.name());
        }
        let record = Record {
            head,
            start: &answer_head(answer),
            body: Some(answer.archived()),
        };
        self.write(&record, into)?;
        if row.request.is_empty() {
            return Ok(());
        }
        let head = format!(
            "WARC/1.1\r\nWARC-Type: request\r\nWARC-Record-ID: {}\r\n{common}\
             WARC-Concurrent-To: {response}\r\nContent-Type: application/http; msgtype=request\r\n",
            self.id()?
        );
        let record = Record {
            head,
            start: &row.request,
            body: None,
        };
        self.write(&record, into)
    }
}

/// The head of an answer as the archive has it: what it says of the body's length and codings is true of the
/// body in the block.
fn answer_head(answer: &Answer) -> Vec<u8> {
    let version = match answer.version {
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let reason = line(answer.reason.as_bytes());
    let mut head = format!("{version} {:03} {reason}\r\n", answer.status).into_bytes();
    let decoded = answer.received.is_none() && answer.field("content-encoding").is_some();
    for (name, value) in &answer.fields {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let gone = is("transfer-encoding") || is("trailer");
        if gone || decoded && (is("content-encoding") || is("content-length")) {
            continue;
        }
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        // A line end in a value would begin another field.
        head.extend(value.iter().map(|&byte| match byte {
            b'\r' | b'\n' | 0 => b' ',
            byte => byte,
        }));
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Returns bytes as text of one line.
fn line(bytes: &[u8]) -> String {
    super::text(bytes).replace(char::is_control, " ")
}

fn digest(pieces: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    pieces.iter().for_each(|piece| context.update(piece));
    format!("sha1:{}", base32(context.finish().as_ref()))
}

/// Base 32 of RFC 4648, of whole groups of five bytes.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks_exact(5) {
        let bits = group
            .iter()
            .fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        for place in (0..8).rev() {
            text.push(char::from(ALPHABET[(bits >> (5 * place) & 31) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base32, digest};

    #[test]
    fn digests_are_those_that_archives_have() {
        assert_eq!(base32(b"fooba"), "MZXW6YTB");
        assert_eq!(digest(&[b""]), "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ");
        assert_eq!(
            digest(&[b"a", b"bc"]),
            "sha1:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5"
        );
    }
}
