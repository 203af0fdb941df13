//! Requests: what is asked for, and how it is sent.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::target::redacted;

/// A request of a [`Client`](crate::Client): the method, the URL, fields and a body.
///
/// A URL with `user:password@` is sent without, and with Basic authentication instead; no text of this crate shows
/// the two. The client adds `Host`, `User-Agent`, `Accept` and `Accept-Encoding` where the request has none of
/// them, and the length of the body.
///
/// ```
/// use switchboard_fetch::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderValue};
/// use switchboard_fetch::{Method, Request};
///
/// let request = Request::new(Method::POST, "http://user:secret@host/form")
///     .header(CONTENT_TYPE, HeaderValue::from_static("text/plain"))
///     .header(ACCEPT_LANGUAGE, HeaderValue::from_static("fr"))
///     .body("bonjour")
///     .redirects(0);
/// assert_eq!(format!("{request:?}"), "Request(POST http://…@host/form)");
/// ```
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether to say HTTP/1.0.
    pub(crate) old: bool,
    /// `None` for the client's limit.
    pub(crate) redirects: Option<usize>,
    pub(crate) keep_heads: bool,
}

impl Request {
    /// Creates a request. A text that is no URL is an error of [`Client::send`](crate::Client::send).
    pub fn new(method: Method, url: impl Into<String>) -> Request {
        Request {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            old: false,
            redirects: None,
            keep_heads: false,
        }
    }

    /// Creates a request for a page.
    pub fn get(url: impl Into<String>) -> Request {
        Request::new(Method::GET, url)
    }

    /// Adds a field; one that the client would add itself is replaced by it. `Content-Length` and
    /// `Transfer-Encoding` are the client's alone, and are left out.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Request {
        self.headers.append(name, value);
        self
    }

    /// Sets the body, whose type is that of the field `Content-Type`, if there is one.
    pub fn body(mut self, body: impl Into<Bytes>) -> Request {
        self.body = body.into();
        self
    }

    /// Speaks HTTP/1.0: the server ends its answer by closing the connection, and knows no chunks.
    pub fn http10(mut self) -> Request {
        self.old = true;
        self
    }

    /// Sets the most redirects in a row that are followed, in place of [`Limits::redirects`](crate::Limits). With 0
    /// none is: a redirect is the response then, and not an error.
    pub fn redirects(mut self, most: usize) -> Request {
        self.redirects = Some(most);
        self
    }

    /// Keeps the heads as they are sent and received, for [`ClientResponse::heads`](crate::ClientResponse::heads).
    pub fn keep_heads(mut self) -> Request {
        self.keep_heads = true;
        self
    }

    /// Returns whether to send the request twice does what to send it once does (RFC 9110, section 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, redacted(&self.url))
    }
}
