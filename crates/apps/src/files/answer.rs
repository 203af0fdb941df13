//! The answer that sends a file.

use std::fs::File;
use std::ops::Range;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, HeaderValue, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use rustix::buffer::spare_capacity;
use rustix::fs::FileType;
use rustix::io::Errno;
use switchboard_http::Body;

use super::accept::{self, Coding};
use super::conditions::{Validators, Verdict};
use super::folder::Opened;
use super::parts::{Gzip, Parts as ByteParts};
use super::ranges::{self, Ranges};
use super::{Files, kind, plain};

/// Files up to this length are read at once, and sent together with the head.
const SMALL: u64 = 64 * 1024;
/// Files of fewer bytes are not compressed: the head and a packet's rest cost as much.
const WORTH_COMPRESSING: u64 = 1024;

/// How the bytes of a file are sent.
enum Sent {
    AsTheyAre,
    /// The file holds them compressed.
    Coded(Coding),
    /// They are compressed while they are sent.
    Compressed,
}

impl Files {
    /// Returns the answer with the regular file at `path`.
    pub(super) fn file(&self, head: &Parts, path: &[u8], opened: Opened) -> Response<Body> {
        let options = &self.0.options;
        let kind = kind::of(path, options.charset.as_deref());
        let compressible = options.compress && kind::is_compressible(&kind);
        let negotiated = options.precompressed || compressible;
        let (opened, sent) = match negotiated {
            true => self.choose(head, path, opened, compressible),
            false => (opened, Sent::AsTheyAre),
        };
        let mut validators = Validators::of(&opened.stat);
        if matches!(sent, Sent::Compressed) {
            validators.weaken("gzip");
        }
        let mut response = match validators.judge(&head.headers) {
            Verdict::Failed => {
                return plain::text(StatusCode::PRECONDITION_FAILED, "the file is another one\n");
            }
            Verdict::NotModified => plain::status(StatusCode::NOT_MODIFIED),
            Verdict::Proceed => match self.content(head, &validators, opened, &sent, &kind) {
                Ok(response) => response,
                Err(error) => {
                    let path = head.uri.path().escape_debug();
                    let notice = format_args!("{path} was answered with 500: {error}");
                    self.0.hooks.notice(&notice);
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    return plain::text(status, "the file could not be read\n");
                }
            },
        };
        let headers = response.headers_mut();
        validators.describe(headers);
        if negotiated {
            headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
        }
        if let Some(value) = &options.cache_control {
            headers.insert(CACHE_CONTROL, value.clone());
        }
        response
    }

    /// Chooses in which coding a file is sent.
    fn choose(
        &self,
        head: &Parts,
        path: &[u8],
        plain: Opened,
        compressible: bool,
    ) -> (Opened, Sent) {
        let options = &self.0.options;
        for coding in accept::codings(&head.headers) {
            if options.precompressed
                && let Some(coded) = self.precompressed(path, coding, &plain)
            {
                return (coded, Sent::Coded(coding));
            }
            if compressible && coding == Coding::Gzip && plain.length() >= WORTH_COMPRESSING {
                return (plain, Sent::Compressed);
            }
        }
        (plain, Sent::AsTheyAre)
    }

    /// Opens the compressed file beside another one, unless it is older: it holds what the other one was.
    fn precompressed(&self, path: &[u8], coding: Coding, plain: &Opened) -> Option<Opened> {
        let path = [path, coding.ending().as_bytes()].concat();
        let coded = self.0.folder.open(&path).ok()?;
        let changed = |opened: &Opened| (opened.stat.st_mtime, opened.stat.st_mtime_nsec);
        let usable = coded.kind() == FileType::RegularFile && changed(&coded) >= changed(plain);
        usable.then_some(coded)
    }

    /// Returns the answer with the bytes that are asked for.
    fn content(
        &self,
        head: &Parts,
        validators: &Validators,
        opened: Opened,
        sent: &Sent,
        kind: &HeaderValue,
    ) -> Result<Response<Body>, Errno> {
        let length = opened.length();
        let get = head.method == Method::GET;
        let mut response = match (sent, get.then(|| validators.range(&head.headers)).flatten()) {
            (Sent::Compressed, _) if get => {
                Response::new(Body::new(Gzip::new(opened.file, length)))
            }
            (Sent::Compressed, _) => plain::status(StatusCode::OK),
            (_, Some(range)) => match ranges::parse(range, length) {
                Ranges::Whole => whole(opened.file, length)?,
                Ranges::One(range) => part(opened.file, range, length)?,
                Ranges::Many(ranges) => parts(opened.file, &ranges, length, kind, validators),
                Ranges::Unsatisfiable => return Ok(unsatisfiable(length)),
            },
            (_, None) if get => whole(opened.file, length)?,
            (_, None) => {
                let mut response = plain::status(StatusCode::OK);
                let length = HeaderValue::from(length);
                response.headers_mut().insert(CONTENT_LENGTH, length);
                response
            }
        };
        let headers = response.headers_mut();
        headers.entry(CONTENT_TYPE).or_insert_with(|| kind.clone());
        let coding = match sent {
            Sent::AsTheyAre => None,
            Sent::Coded(coding) => Some(coding.name()),
            Sent::Compressed => Some(Coding::Gzip.name()),
        };
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if !matches!(sent, Sent::Compressed) {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        Ok(response)
    }
}

fn whole(file: File, length: u64) -> Result<Response<Body>, Errno> {
    Ok(Response::new(body(file, 0..length)?))
}

fn part(file: File, range: Range<u64>, length: u64) -> Result<Response<Body>, Errno> {
    let field = format!("bytes {}-{}/{length}", range.start, range.end - 1);
    let mut response = Response::new(body(file, range)?);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    content_range(&mut response, field);
    Ok(response)
}

/// Returns several parts in one answer. The boundary is the tag of the file, which is not in an honest one.
fn parts(
    file: File,
    ranges: &[Range<u64>],
    length: u64,
    kind: &HeaderValue,
    validators: &Validators,
) -> Response<Body> {
    let tag = validators.tag().trim_matches('"');
    let boundary = format!("switchboard.{tag}");
    let kind = kind.to_str().unwrap_or("application/octet-stream");
    let body = ByteParts::new(file, ranges, length, kind, &boundary);
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    if let Ok(kind) = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")) {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

fn unsatisfiable(length: u64) -> Response<Body> {
    let text = "the file has no such bytes\n";
    let mut response = plain::text(StatusCode::RANGE_NOT_SATISFIABLE, text);
    content_range(&mut response, format!("bytes */{length}"));
    response
}

fn content_range(response: &mut Response<Body>, field: String) {
    if let Ok(field) = HeaderValue::try_from(field) {
        response.headers_mut().insert(CONTENT_RANGE, field);
    }
}

/// Returns a part of a file: a small one is read now, so that it is sent with the head.
fn body(file: File, range: Range<u64>) -> Result<Body, Errno> {
    let length = range.end - range.start;
    if length > SMALL {
        return Ok(Body::file(file, range));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    while bytes.len() < length as usize {
        let at = range.start + bytes.len() as u64;
        match rustix::io::pread(&file, spare_capacity(&mut bytes), at) {
            // The file has become shorter. What was announced is not sent in part, and not padded.
            Ok(0) => return Ok(Body::file(file, range)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    // The capacity may be more than was asked for, and the file longer than it was.
    bytes.truncate(length as usize);
    Ok(Body::from(Bytes::from(bytes)))
}
