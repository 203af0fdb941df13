//! What a connection writes: heads, and the framing of bodies.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, TRANSFER_ENCODING};

/// How the end of a response's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// There is no body, and nothing to tell.
    Nothing,
    Exact(u64),
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

/// What the head says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// What the version says anyway.
    Unsaid,
    Close,
    KeepAlive,
    /// Another protocol follows.
    Upgrade,
}

/// Appends the head of a response. The fields that frame the message are written from `length` and
/// `persistence`, and not from `headers`.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn response_head(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &HeaderMap,
    length: BodyLength,
    persistence: Persistence,
    now: Instant,
) {
    match status {
        StatusCode::OK => out.extend_from_slice(b"HTTP/1.1 200 OK\r\n"),
        status => status_line(out, status),
    }
    let mut dated = false;
    for (name, value) in headers {
        dated |= name == DATE;
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING && name != CONNECTION {
            field(out, name.as_str(), value.as_bytes());
        }
    }
    match length {
        BodyLength::Nothing | BodyLength::UntilClose => {}
        BodyLength::Exact(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    match persistence {
        Persistence::Unsaid => {}
        Persistence::Close => out.extend_from_slice(b"connection: close\r\n"),
        Persistence::KeepAlive => out.extend_from_slice(b"connection: keep-alive\r\n"),
        Persistence::Upgrade => out.extend_from_slice(b"connection: upgrade\r\n"),
    }
    match dated {
        true => out.extend_from_slice(b"\r\n"),
        false => DATE_FIELD.with_borrow_mut(|field| out.extend_from_slice(field.at(now))),
    }
}

#[cold]
fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    match number {
        0..10 => out.push(b'0' + number as u8),
        10..100 => out.extend_from_slice(&[b'0' + number as u8 / 10, b'0' + number as u8 % 10]),
        _ => {
            decimal(out, number / 100);
            let rest = (number % 100) as u8;
            out.extend_from_slice(&[b'0' + rest / 10, b'0' + rest % 10]);
        }
    }
}

/// Appends the line before a chunk of `size` bytes.
pub(crate) fn chunk_size(out: &mut Vec<u8>, size: usize) {
    out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
}

/// Appends what ends a chunked body.
pub(crate) fn last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        field(out, name.as_str(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

thread_local! {
    static DATE_FIELD: RefCell<DateField> = const { RefCell::new(DateField::new()) };
}

/// The last field of a head and its end, written once a second.
struct DateField {
    text: [u8; 39],
    until: Option<Instant>,
}

impl DateField {
    const fn new() -> DateField {
        DateField {
            text: *b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
            until: None,
        }
    }

    fn at(&mut self, now: Instant) -> &[u8] {
        if self.until.is_none_or(|until| now >= until) {
            self.write(now);
        }
        &self.text
    }

    #[cold]
    fn write(&mut self, now: Instant) {
        let time = SystemTime::now();
        let date = httpdate::fmt_http_date(time);
        if let Some(place) = self.text.get_mut(6..6 + date.len()) {
            place.copy_from_slice(date.as_bytes());
        }
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let passed = since.map_or(0, |since| since.subsec_nanos());
        self.until = now.checked_add(Duration::from_nanos(u64::from(1_000_000_000 - passed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_again_after_a_second() {
        let mut field = DateField::new();
        let now = Instant::now();
        let date = field.at(now).to_vec();
        assert!(date.starts_with(b"date: ") && date.ends_with(b" GMT\r\n\r\n"));
        assert!(!date.ends_with(b"1970 00:00:00 GMT\r\n\r\n"));
        let until = field.until.unwrap();
        assert!(until > now && until <= now + Duration::from_secs(1));
        field.text[6] = b'?';
        assert_eq!(field.at(now)[6], b'?');
        assert_eq!(field.at(until), date);
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 13, 999, 1_000, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
