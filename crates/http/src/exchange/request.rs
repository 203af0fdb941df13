//! The head of a request, as it is sent.

use http::{HeaderName, HeaderValue, Method};

use crate::Body;
use crate::h1::encode::{decimal, field};

/// The head of a request: its line and its fields. It may be sent several times.
///
/// ```
/// use switchboard_http::{Body, RequestHead};
///
/// let mut head = RequestHead::new(&http::Method::GET, "/");
/// head.field("host", b"here");
/// head.field_fmt("x-number", format_args!("{}", 7));
/// head.finish(&Body::empty());
/// assert_eq!(head.bytes(), b"GET / HTTP/1.1\r\nhost: here\r\nx-number: 7\r\n\r\n");
/// ```
#[derive(Debug)]
pub struct RequestHead {
    bytes: Vec<u8>,
    is_head: bool,
    has_content: bool,
}

impl RequestHead {
    /// Begins a head with its line. The target is a path, or whatever the method wants there.
    pub fn new(method: &Method, target: &str) -> RequestHead {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(method.as_str().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(target.as_bytes());
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        RequestHead {
            bytes,
            is_head: method == Method::HEAD,
            has_content: matches!(*method, Method::POST | Method::PUT | Method::PATCH),
        }
    }

    /// Adds a field. Name and value must be valid, and no field that frames the message may be added.
    pub fn field(&mut self, name: &str, value: &[u8]) {
        field(&mut self.bytes, name, value);
    }

    /// Adds a field whose value is written in place.
    pub fn field_fmt(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        // Writing to memory never fails.
        let _ = std::io::Write::write_fmt(&mut self.bytes, value);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Adds a field that was received.
    pub fn header(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.field(name.as_str(), value.as_bytes());
    }

    /// Adds that the client would go on with one of `protocols`, a list as the field `upgrade` has it. See
    /// [`Upgraded::take`](crate::Upgraded::take).
    pub fn upgrade(&mut self, protocols: &[u8]) {
        self.field("connection", b"upgrade");
        self.field("upgrade", protocols);
    }

    /// Adds what tells the end of `body`, and ends the head.
    pub fn finish(&mut self, body: &Body) {
        match body.length() {
            Some(0) if !self.has_content => {}
            Some(length) => {
                self.bytes.extend_from_slice(b"content-length: ");
                decimal(&mut self.bytes, length);
                self.bytes.extend_from_slice(b"\r\n");
            }
            None => self
                .bytes
                .extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Returns the bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_head(&self) -> bool {
        self.is_head
    }
}
