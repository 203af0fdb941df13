//! Requests: what is asked for, and how it is sent.

use std::fmt;
use std::sync::Arc;

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
    pub(crate) before_send: Option<Hook>,
}

/// What is called before a request is sent.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

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
            before_send: None,
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

    /// Has `hook` called right before the request is sent, when there is a connection for it: once, and again for each
    /// redirect, each retry, and each connection that turns out to be closed. So who counts or spaces requests knows of
    /// each of them. The hook must not block.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use switchboard_fetch::{Client, Request};
    /// use switchboard_runtime::Model;
    ///
    /// let sent = Arc::<AtomicUsize>::default();
    /// let counted = sent.clone();
    /// let count = move || drop(counted.fetch_add(1, Ordering::Relaxed));
    /// let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    /// let request = Request::get(format!("http://{closed}/")).before_send(count);
    /// assert!(Model::Blocking.run(Client::new().send(request))?.is_err());
    /// assert_eq!(sent.load(Ordering::Relaxed), 0, "there was no connection");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn before_send(mut self, hook: impl Fn() + Send + Sync + 'static) -> Request {
        self.before_send = Some(Arc::new(hook));
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
