//! What hyper leaves open in the head of a request.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as HttpBody;

use crate::Body;
use crate::h1::Refusal;
use crate::h1::framing::is_host;
use crate::h1::head::{BAD_TARGET, TOO_MANY_FIELDS, URI_TOO_LONG, replace_host};
use crate::server::ServerLimits;

/// Checks the limits and the host of a request, as HTTP/1 does, and has its `:authority` take the place of
/// Host.
pub(super) fn check<B>(request: &mut Request<B>, limits: &ServerLimits) -> Result<(), Refusal> {
    let target = request.uri().path_and_query();
    let target = target.map_or("", |target| target.as_str());
    if target.len() > limits.uri_bytes {
        return Err(URI_TOO_LONG);
    }
    let fits = match *request.method() {
        Method::CONNECT => true,
        Method::OPTIONS => target == "*" || target.starts_with('/'),
        _ => target.starts_with('/'),
    };
    if !fits {
        return Err(BAD_TARGET);
    }
    // A client that divides its cookies has not sent more fields.
    join_cookies(request.headers_mut());
    if request.headers().len() > limits.fields {
        return Err(TOO_MANY_FIELDS);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::bad("more than one Host field"));
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(Refusal::bad("a Host that is no host"));
    }
    match request.uri().authority().cloned() {
        Some(authority) => replace_host(request.headers_mut(), authority.as_str()),
        None if host.is_none() => Err(Refusal::bad("neither :authority nor a Host field")),
        None => Ok(()),
    }
}

/// Makes one field of those that a client has divided its cookies among, to compress them (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else {
        return;
    };
    let mut joined = [first.as_bytes(), second.as_bytes()].join(&b"; "[..]);
    for crumb in crumbs {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    // Each was a value, so all of them together are one.
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(joined)) {
        headers.insert(COOKIE, value);
    }
}

/// Returns whether an answer has no body, whatever the handler has given it: hyper would send that. What an answer to
/// HEAD leaves out is told by its length, if that is known.
pub(super) fn has_no_body<B: HttpBody>(response: &mut Response<B>, is_head: bool) -> bool {
    let status = response.status();
    if status == StatusCode::NO_CONTENT {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return true;
    }
    if is_head && let Some(length @ 1..) = response.body().size_hint().exact() {
        let headers = response.headers_mut();
        headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    is_head
}

/// Returns the answer to a request that is refused.
pub(super) fn answer(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{}\n", refusal.reason)));
    *response.status_mut() = refusal.status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
