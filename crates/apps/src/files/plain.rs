//! Answers that are not files.

use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_encode};
use switchboard_http::Body;

/// The bytes of a name that are encoded in a URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Returns a name as it stands in a URL.
pub(super) fn encode(name: &[u8]) -> PercentEncode<'_> {
    percent_encode(name, ENCODED)
}

/// Returns an answer without a body.
pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Returns an answer of one line.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Returns a redirection to the same folder with a slash. It is relative, so that it is right behind a proxy
/// that takes a part of the path away, and that no path is taken for the name of a host.
pub(super) fn redirect(head: &Parts, name: &[u8]) -> Response<Body> {
    let query = head.uri.query().map(|query| format!("?{query}"));
    let location = format!("./{}/{}", encode(name), query.unwrap_or_default());
    let mut response = text(
        StatusCode::MOVED_PERMANENTLY,
        "the folder is at the path with a slash\n",
    );
    // The name is encoded, and the query was in a request.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
