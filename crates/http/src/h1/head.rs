//! The heads of requests.

use std::mem::MaybeUninit;

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use httparse::{EMPTY_HEADER, Error, Status};

use super::framing::{Fields, Framing, is_host};
use super::{Parsed, Refusal};

/// The fields that are parsed on the stack. A head with more of them is parsed again.
const FEW_FIELDS: usize = 32;

/// The most bytes of a request line beside its URI. The longest method has 24 bytes in the registry.
const BESIDE_URI: usize = 64;

/// What a head may have at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    pub(crate) bytes: usize,
    pub(crate) fields: usize,
    pub(crate) uri: usize,
}

/// What a whole request head says of its message and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead {
    /// The number of its bytes.
    pub(crate) length: usize,
    pub(crate) framing: Framing,
    pub(crate) keeps_alive: bool,
    pub(crate) expects_continue: bool,
    /// Whether another protocol is asked for.
    pub(crate) upgrades: bool,
}

/// Parses the request head at the start of `bytes` into `request`, which is a new one.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn parse_request<B>(
    bytes: &[u8],
    limits: &HeadLimits,
    request: &mut Request<B>,
) -> Parsed<RequestHead> {
    let mut fields = [const { MaybeUninit::uninit() }; FEW_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(Status::Complete(length)) => finish(&bytes[..length], &parsed, limits, request),
        Ok(Status::Partial) => partial(bytes, limits),
        Err(Error::TooManyHeaders) if limits.fields > FEW_FIELDS => {
            parse_many(bytes, limits, request)
        }
        Err(error) => refused(error, bytes, limits),
    }
}

#[cold]
fn parse_many<B>(
    bytes: &[u8],
    limits: &HeadLimits,
    request: &mut Request<B>,
) -> Parsed<RequestHead> {
    let mut fields = vec![EMPTY_HEADER; limits.fields];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(Status::Complete(length)) => finish(&bytes[..length], &parsed, limits, request),
        Ok(Status::Partial) => partial(bytes, limits),
        Err(error) => refused(error, bytes, limits),
    }
}

/// Returns what an incomplete head is: one that goes on, or one that has exceeded a limit.
#[cold]
fn partial(bytes: &[u8], limits: &HeadLimits) -> Parsed<RequestHead> {
    // The parser skips any number of them, and would look at them again with each byte that comes.
    if bytes.first() == Some(&b'\n') {
        return Parsed::Refused(LF_ALONE);
    }
    let (line, _) = first_line(bytes);
    if line.len() > limits.uri + BESIDE_URI {
        return Parsed::Refused(URI_TOO_LONG);
    }
    match bytes.len() > limits.bytes {
        true => Parsed::Refused(HEAD_TOO_LARGE),
        false => Parsed::Partial,
    }
}

pub(crate) const URI_TOO_LONG: Refusal =
    Refusal::new(StatusCode::URI_TOO_LONG, "a URI over the limit");
const HEAD_TOO_LARGE: Refusal = Refusal::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "a request head over the limit",
);
pub(crate) const TOO_MANY_FIELDS: Refusal = Refusal::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "more fields than the limit",
);
const OTHER_VERSION: Refusal = Refusal::new(
    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    "a version other than HTTP/1.0 and HTTP/1.1",
);
const LF_ALONE: Refusal = Refusal::bad("a line that ends in LF alone");
pub(crate) const BAD_TARGET: Refusal = Refusal::bad("a request target that is no URI");

#[cold]
fn refused(error: Error, bytes: &[u8], limits: &HeadLimits) -> Parsed<RequestHead> {
    Parsed::Refused(match error {
        Error::HeaderName => Refusal::bad("a byte that no field name may have"),
        Error::HeaderValue => Refusal::bad("a byte that no field value may have"),
        Error::NewLine => Refusal::bad("a line that does not end in CR LF"),
        Error::Token => Refusal::bad("a request line with a byte that it may not have"),
        Error::TooManyHeaders => TOO_MANY_FIELDS,
        Error::Version => match first_line(bytes) {
            // The version may be one of HTTP.
            (_, false) => return partial(bytes, limits),
            (line, true) if has_other_version(line) => OTHER_VERSION,
            (_, true) => Refusal::bad("a request line without a version of HTTP"),
        },
        Error::Status => Refusal::bad("a malformed head"),
    })
}

/// Returns the first line that is not empty, without its end, and whether it has one.
fn first_line(bytes: &[u8]) -> (&[u8], bool) {
    let bytes = bytes.trim_ascii_start();
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let line = &bytes[..end.unwrap_or(bytes.len())];
    (line.strip_suffix(b"\r").unwrap_or(line), end.is_some())
}

/// Returns whether `line` is a request line with some version of HTTP.
fn has_other_version(line: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == b' ');
    let version = words.nth(2);
    let is_version = matches!(
        version,
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
    );
    is_version && words.next().is_none()
}

/// Returns whether each line of `head` ends in CR LF. The parser has seen that each ends in LF.
#[cfg_attr(not(debug_assertions), inline(always))]
fn ends_lines_with_cr(head: &[u8], parsed: &httparse::Request<'_, '_>) -> bool {
    let end = |part: &[u8]| part.as_ptr().addr() - head.as_ptr().addr() + part.len();
    let version = " HTTP/1.1".len();
    let path = parsed.path.unwrap_or_default().as_bytes();
    let first = head.get(end(path) + version) == Some(&b'\r');
    let last = head.ends_with(b"\r\n");
    let fields = parsed.headers.iter().all(|field| {
        let after = &head[end(field.value)..];
        let after = after.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        after == Some(&b'\r')
    });
    // An empty line before the first one.
    let before = head.first() == Some(&b'\n');
    first && fields && last && !before
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn finish<B>(
    head: &[u8],
    parsed: &httparse::Request<'_, '_>,
    limits: &HeadLimits,
    request: &mut Request<B>,
) -> Parsed<RequestHead> {
    match fill(head, parsed, limits, request) {
        Ok(head) => Parsed::Complete(head),
        Err(refusal) => Parsed::Refused(refusal),
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn fill<B>(
    head: &[u8],
    parsed: &httparse::Request<'_, '_>,
    limits: &HeadLimits,
    request: &mut Request<B>,
) -> Result<RequestHead, Refusal> {
    let (Some(method), Some(path), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refusal::bad("a malformed head"));
    };
    if !ends_lines_with_cr(head, parsed) {
        return Err(LF_ALONE);
    }
    // The line may have been refused before it was whole, as it is here.
    if path.len() > limits.uri || method.len() + path.len() + 10 > limits.uri + BESIDE_URI {
        return Err(URI_TOO_LONG);
    }
    if head.len() > limits.bytes {
        return Err(HEAD_TOO_LARGE);
    }
    if parsed.headers.len() > limits.fields {
        return Err(TOO_MANY_FIELDS);
    }
    let fields = fill_fields(parsed.headers, request.headers_mut())?;
    let version = match version {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    *request.version_mut() = version;
    if method != "GET" {
        *request.method_mut() = Method::from_bytes(method.as_bytes())
            .map_err(|_| Refusal::bad("a malformed method"))?;
    }
    if path != "/" {
        let uri = target(request.method(), path)?;
        if let Some(authority) = uri.authority() {
            replace_host(request.headers_mut(), authority.as_str())?;
        }
        *request.uri_mut() = uri;
    }
    Ok(RequestHead {
        length: head.len(),
        framing: fields.request_framing(version)?,
        keeps_alive: fields.keeps_alive(version),
        expects_continue: fields.expects_continue && version != Version::HTTP_10,
        upgrades: fields.upgrades && version != Version::HTTP_10,
    })
}

/// Copies the fields of a head. Each value is a copy of its own: to share one costs two atomic operations for
/// each, and a small allocation less.
#[cfg_attr(not(debug_assertions), inline(always))]
fn fill_fields(
    parsed: &[httparse::Header<'_>],
    headers: &mut HeaderMap,
) -> Result<Fields, Refusal> {
    let mut fields = Fields::default();
    headers.reserve(parsed.len());
    for field in parsed {
        fields.note(field.name, field.value)?;
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(field.name.as_bytes()),
            HeaderValue::from_bytes(field.value),
        ) else {
            return Err(Refusal::bad("a malformed field"));
        };
        if headers.try_append(name, value).is_err() {
            return Err(TOO_MANY_FIELDS);
        }
    }
    Ok(fields)
}

/// Parses the target of a request: a path, an absolute URI, an authority for `CONNECT`, or `*`.
fn target(method: &Method, text: &str) -> Result<Uri, Refusal> {
    if text.as_bytes().contains(&b'#') {
        return Err(Refusal::bad("a request target with a fragment"));
    }
    let uri = Uri::try_from(text).map_err(|_| BAD_TARGET)?;
    let fits = match (text.as_bytes()[0], method) {
        (_, &Method::CONNECT) => uri.scheme().is_none() && uri.port().is_some(),
        (b'/', _) => true,
        (b'*', method) => text == "*" && method == Method::OPTIONS,
        _ if matches!(uri.scheme_str(), Some("http" | "https")) => return with_path(uri),
        _ => false,
    };
    match fits {
        true => Ok(uri),
        false => Err(BAD_TARGET),
    }
}

/// Gives an absolute URI that has a query and no path the path `/`, with which it is asked for (RFC 9112, section 3.2.1).
fn with_path(uri: Uri) -> Result<Uri, Refusal> {
    let target = uri.path_and_query().map(|target| target.as_str());
    let Some(query) = target.filter(|target| target.starts_with('?')) else {
        return Ok(uri);
    };
    let target = format!("/{query}").parse().map_err(|_| BAD_TARGET)?;
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| BAD_TARGET)
}

/// Has the authority of an absolute URI take the place of the Host field, if there is one (RFC 9112, section
/// 3.2.2).
#[cold]
pub(crate) fn replace_host(headers: &mut HeaderMap, authority: &str) -> Result<(), Refusal> {
    let value = HeaderValue::from_str(authority).map_err(|_| BAD_TARGET)?;
    if authority.is_empty() || !is_host(authority.as_bytes()) {
        return Err(BAD_TARGET);
    }
    if headers.contains_key(HOST) {
        headers.insert(HOST, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_target_has_a_path() {
        for (text, path) in [
            ("http://a.example?q=1", "/?q=1"),
            ("http://a.example/?q=1", "/?q=1"),
            ("http://a.example", "/"),
        ] {
            let uri = target(&Method::GET, text).unwrap();
            assert_eq!(uri.path_and_query().unwrap(), path, "{text}");
            assert_eq!(uri.host(), Some("a.example"));
        }
    }
}
