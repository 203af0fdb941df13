//! The heads of answers.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{StatusCode, Version};
use httparse::{Error, Status};

use super::framing::{Fields, Framing};
use super::{Parsed, Refusal};

/// The most fields of an answer, and the most bytes of its head.
const FIELDS: usize = 128;
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// A whole head of an answer.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    /// The fields, without those that concern the connection only, but with the protocol that one of 101 names.
    pub(crate) headers: HeaderMap,
    /// The number of its bytes.
    pub(crate) length: usize,
    /// `None` for a body that ends with the connection.
    pub(crate) framing: Option<Framing>,
    pub(crate) keeps_alive: bool,
}

/// Parses the head of an answer at the start of `bytes`. `head` says that the request asked for the head alone.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn parse_response(bytes: &[u8], head: bool) -> Parsed<ResponseHead> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, bytes, &mut fields) {
        Ok(Status::Complete(length)) if length <= HEAD_BYTES => {
            match finish(&bytes[..length], &response, head) {
                Ok(head) => Parsed::Complete(head),
                Err(refusal) => Parsed::Refused(refusal),
            }
        }
        Ok(Status::Partial) if bytes.len() <= HEAD_BYTES => Parsed::Partial,
        Ok(_) => Parsed::Refused(Refusal::bad("an answer's head over the limit")),
        Err(Error::TooManyHeaders) => Parsed::Refused(Refusal::bad("an answer of too many fields")),
        Err(_) => Parsed::Refused(Refusal::bad("a malformed head of an answer")),
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn finish(
    bytes: &[u8],
    parsed: &httparse::Response<'_, '_>,
    head: bool,
) -> Result<ResponseHead, Refusal> {
    let malformed = Refusal::bad("a malformed head of an answer");
    let (Some(code), Some(version)) = (parsed.code, parsed.version) else {
        return Err(malformed);
    };
    let status = StatusCode::from_u16(code).map_err(|_| malformed)?;
    let version = match version {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut fields = Fields::default();
    let mut listed = ConnectionFields::default();
    for field in &*parsed.headers {
        note(&mut fields, field.name, field.value)?;
        if field.name.eq_ignore_ascii_case("connection") {
            listed.note(field.value);
        }
    }
    let keeps_length = head || status == StatusCode::NOT_MODIFIED;
    let copy = Bytes::copy_from_slice(bytes);
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| malformed)?;
        let start = match field.value.is_empty() {
            true => 0,
            false => field.value.as_ptr().addr() - bytes.as_ptr().addr(),
        };
        let value = copy.slice(start..start + field.value.len());
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| malformed)?;
        let is_length = name == CONTENT_LENGTH;
        let is_kept = !is_length || (keeps_length && !headers.contains_key(CONTENT_LENGTH));
        // The protocol that follows, or is required, is what the answer is about.
        let names_protocol = name == UPGRADE
            && (status == StatusCode::SWITCHING_PROTOCOLS
                || status == StatusCode::UPGRADE_REQUIRED);
        if is_kept && (names_protocol || !listed.has(&name)) {
            headers.try_append(name, value).map_err(|_| malformed)?;
        }
    }
    Ok(ResponseHead {
        status,
        version,
        headers,
        length: bytes.len(),
        framing: fields.answer_framing(status, head)?,
        keeps_alive: fields.keeps_alive(version) && !fields.is_ambiguous(version),
    })
}

/// Notes a field that frames the answer. The same length twice is forgiven (RFC 9110, section 8.6).
fn note(fields: &mut Fields, name: &str, value: &[u8]) -> Result<(), Refusal> {
    let concerns_requests = matches!(name.len(), 4 | 6);
    match concerns_requests || fields.repeats_length(name, value) {
        true => Ok(()),
        false => fields.note(name, value),
    }
}

/// The fields of a message that concern its connection only, and that a proxy must not pass on (RFC 9110,
/// section 7.6.1): those of HTTP, and those that the message's own `Connection` fields list.
///
/// ```
/// use http::HeaderName;
/// use switchboard_http::ConnectionFields;
///
/// let mut fields = ConnectionFields::default();
/// fields.note(b"close, x-own");
/// assert!(fields.has(&HeaderName::from_static("x-own")));
/// assert!(fields.has(&HeaderName::from_static("keep-alive")));
/// assert!(!fields.has(&HeaderName::from_static("host")));
/// ```
#[derive(Debug, Default)]
pub struct ConnectionFields<'a>(Vec<&'a [u8]>);

impl<'a> ConnectionFields<'a> {
    /// Notes the value of a `Connection` field.
    pub fn note(&mut self, value: &'a [u8]) {
        let options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let names = options.filter(|it| {
            !it.is_empty()
                && !it.eq_ignore_ascii_case(b"close")
                && !it.eq_ignore_ascii_case(b"keep-alive")
        });
        self.0.extend(names);
    }

    /// Returns whether a field concerns the connection only.
    pub fn has(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let is_known = match name.len() {
            2 => name == "te",
            7 => name == "upgrade",
            10 => matches!(name, "connection" | "keep-alive"),
            16 => name == "proxy-connection",
            17 => name == "transfer-encoding",
            _ => false,
        };
        is_known
            || self
                .0
                .iter()
                .any(|it| it.eq_ignore_ascii_case(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, head: bool) -> Result<ResponseHead, Refusal> {
        match parse_response(text.as_bytes(), head) {
            Parsed::Complete(head) => Ok(head),
            Parsed::Partial => panic!("{text} is whole"),
            Parsed::Refused(refusal) => Err(refusal),
        }
    }

    /// What ends the body, and whether the connection goes on.
    fn end(text: &str, head: bool) -> (Option<Framing>, bool) {
        let head = parse(&format!("HTTP/1.1 {text}\r\n\r\n"), head).unwrap();
        (head.framing, head.keeps_alive)
    }

    #[test]
    fn an_answer_ends_where_its_fields_say() {
        let length = |length, keeps| (Some(Framing::Length(length)), keeps);
        assert_eq!(end("200 OK\r\ncontent-length: 5", false), length(5, true));
        let twice = "200 OK\r\ncontent-length: 5\r\nContent-Length: 05";
        assert_eq!(end(twice, false), length(5, true));
        assert_eq!(end("200 OK\r\ncontent-length: 5", true), length(0, true));
        assert_eq!(end("204 No Content", false), length(0, true));
        assert_eq!(
            end("304 Not Modified\r\ncontent-length: 5", false),
            length(0, true)
        );
        assert_eq!(
            end("200 OK\r\ncontent-length: 5\r\nconnection: close", false),
            length(5, false)
        );
        assert_eq!(
            end("200\r\ntransfer-encoding: chunked", false),
            (Some(Framing::Chunked), true)
        );
        let both = "200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked";
        assert_eq!(end(both, false), (Some(Framing::Chunked), false));
        assert_eq!(
            end("200 OK\r\ntransfer-encoding: gzip", true),
            length(0, false)
        );
        let old = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n";
        let old = parse(old, false).unwrap();
        assert_eq!(
            (old.framing, old.keeps_alive),
            (Some(Framing::Chunked), false)
        );
        assert_eq!(end("200 OK", false), (None, true));
    }

    #[test]
    fn fields_of_the_connection_are_left_out() {
        let text = "HTTP/1.1 200 OK\r\nConnection: x-own, close\r\nKeep-Alive: 5\r\nX-Own: 1\r\nX-Other: 2\r\n\
            Proxy-Connection: close\r\nContent-Length: 3\r\nEmpty:\r\n\r\nabc";
        let head = parse(text, false).unwrap();
        let names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-other", "empty"]);
        assert_eq!(head.length, text.len() - 3);
        let head = parse(text, true).unwrap();
        assert_eq!(
            head.headers[CONTENT_LENGTH], "3",
            "the length that a GET would get"
        );
    }

    #[test]
    fn a_length_that_comes_twice_is_one_field() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n";
        let head = parse(text, true).unwrap();
        let lengths = head.headers.get_all(CONTENT_LENGTH);
        assert_eq!(lengths.iter().count(), 1);
    }

    #[test]
    fn malformed_answers_are_refused() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
            // It would be refused if its end had not come together with the byte that exceeds the limit.
            &format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(HEAD_BYTES)),
        ] {
            assert!(parse(text, false).is_err(), "{text}");
        }
    }
}
