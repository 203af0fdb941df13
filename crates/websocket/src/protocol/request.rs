//! The request for a connection, and its refusal.

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use crate::handshake::server::write_fields;

/// The most fields of a request.
const FIELDS: usize = 64;

/// Parses a head; `None` if it is incomplete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, StatusCode> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let status = parsed.parse(bytes).map_err(|error| match error {
        httparse::Error::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    })?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let bad = |_| StatusCode::BAD_REQUEST;
    let mut request = Request::new(());
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
    *request.method_mut() = method.map_err(|_| StatusCode::BAD_REQUEST)?;
    *request.version_mut() = match parsed.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(bad)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| StatusCode::BAD_REQUEST)?;
        request.headers_mut().append(name, value);
    }
    Ok(Some((request, length)))
}

pub(super) fn refusal(status: StatusCode) -> Response<&'static str> {
    let mut response = Response::new("");
    *response.status_mut() = status;
    response
}

pub(super) fn refusal_head(refusal: Response<&'static str>) -> Vec<u8> {
    let (status, text) = (refusal.status(), refusal.body());
    let length = text.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n");
    let mut head = head.into_bytes();
    write_fields(&mut head, refusal.headers());
    head.extend_from_slice(text.as_bytes());
    head
}
