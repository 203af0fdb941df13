//! The server's side of the handshake.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ALLOW, CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use switchboard_http::{Body, Upgraded, upgrade};

use super::{answer_to, elements, lists};
use crate::deflate::{self, Agreed};
use crate::{Options, Role, WebSocket};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Answers a request for a WebSocket connection. Once the answer is sent, the connection's own flow runs `run`, as
/// [`upgrade`] says. A request that is none is answered by 405 or 426, one that is malformed by 400, and one of an origin
/// that is [not served](Options::origin) by 403.
///
/// Only HTTP/1.1 connections become WebSocket connections. The crate's page has an example.
pub fn accept<B, F>(
    request: &Request<B>,
    options: &Options,
    run: impl FnOnce(WebSocket<Upgraded>) -> F + Send + 'static,
) -> Response<Body>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let handshake = match Handshake::new(request, options) {
        Ok(handshake) => handshake,
        Err(refusal) => return refusal.map(Body::from),
    };
    let (agreed, protocol) = (handshake.agreed, handshake.protocol.clone());
    let options = options.clone();
    let mut response = upgrade(WEBSOCKET, move |stream| {
        let mut socket = WebSocket::new(stream, Role::Server, &options, agreed);
        socket.set_protocol(protocol);
        run(socket)
    });
    response.headers_mut().extend(handshake.fields);
    response
}

/// A server's answer to a request for a WebSocket connection, for those who write it themselves; [`accept`] does it all.
///
/// ```
/// use http::{Request, StatusCode};
/// use switchboard_websocket::{Handshake, Options};
///
/// let request = Request::get("/")
///     .header("connection", "upgrade")
///     .header("upgrade", "websocket")
///     .header("sec-websocket-version", "13")
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .body(())
///     .unwrap();
/// let handshake = Handshake::new(&request, &Options::new()).unwrap();
/// assert_eq!(handshake.fields()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
///
/// let other = Request::get("/").body(()).unwrap();
/// let refusal = Handshake::new(&other, &Options::new()).unwrap_err();
/// assert_eq!(refusal.status(), StatusCode::UPGRADE_REQUIRED);
/// ```
#[derive(Debug)]
pub struct Handshake {
    fields: HeaderMap,
    agreed: Option<Agreed>,
    protocol: Option<Arc<str>>,
}

impl Handshake {
    /// Checks a request, and makes the answer.
    ///
    /// # Errors
    /// The answer that refuses it.
    #[allow(clippy::result_large_err, reason = "a refusal is sent at once")]
    pub fn new<B>(
        request: &Request<B>,
        options: &Options,
    ) -> Result<Handshake, Response<&'static str>> {
        let key = check(request, options)?;
        let headers = request.headers();
        let mut fields = HeaderMap::new();
        fields.insert(SEC_WEBSOCKET_ACCEPT, value(answer_to(key)));
        let offered = |protocol: &&Arc<str>| {
            elements(headers, &SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == &***protocol)
        };
        let protocol = options.protocols.iter().find(offered).cloned();
        if let Some(protocol) = &protocol {
            fields.insert(SEC_WEBSOCKET_PROTOCOL, value(protocol.to_string()));
        }
        let permitted = options.deflate;
        let agreed = permitted.and_then(|permitted| deflate::accept(headers, permitted));
        let agreed = agreed.map(|(agreed, answer)| {
            fields.insert(SEC_WEBSOCKET_EXTENSIONS, value(answer));
            agreed
        });
        Ok(Handshake {
            fields,
            agreed,
            protocol,
        })
    }

    /// Returns the fields of the answer, but for `connection` and `upgrade`.
    pub fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// Returns the compression that both sides have agreed on.
    pub fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    /// Returns the subprotocol that was chosen.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Returns the head of the answer, as a server sends it.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                .to_vec();
        write_fields(&mut head, &self.fields);
        head
    }
}

/// Appends the fields of a head, and its end.
pub(crate) fn write_fields(head: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}

/// Makes a value of a text that was put together from parts which are values.
fn value(text: String) -> HeaderValue {
    match HeaderValue::try_from(text) {
        Ok(value) => value,
        Err(_) => HeaderValue::from_static(""),
    }
}

/// Checks a request, and returns its key.
#[allow(clippy::result_large_err, reason = "a refusal is sent at once")]
fn check<'a, B>(
    request: &'a Request<B>,
    options: &Options,
) -> Result<&'a [u8], Response<&'static str>> {
    let headers = request.headers();
    if request.method() != Method::GET {
        let mut refusal = refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "WebSocket begins with GET\n",
        );
        let get = HeaderValue::from_static("GET");
        refusal.headers_mut().insert(ALLOW, get);
        return Err(refusal);
    }
    if request.version() != Version::HTTP_11 {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "WebSocket begins with HTTP/1.1\n",
        ));
    }
    let asks = lists(headers, &CONNECTION, "upgrade") && lists(headers, &UPGRADE, "websocket");
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    if !asks || version.is_none_or(|version| version != "13") {
        let text = "this is a WebSocket of version 13\n";
        let mut refusal = refuse(StatusCode::UPGRADE_REQUIRED, text);
        refusal.headers_mut().insert(UPGRADE, WEBSOCKET);
        refusal
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(refusal);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => key,
        _ => {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "no sec-websocket-key, or an invalid one\n",
            ));
        }
    };
    let origin = headers
        .get(ORIGIN)
        .map(|origin| origin.to_str().unwrap_or(""));
    match options.origin.as_ref().is_none_or(|serves| serves(origin)) {
        true => Ok(key.as_bytes()),
        false => Err(refuse(
            StatusCode::FORBIDDEN,
            "pages of this origin are not served\n",
        )),
    }
}

/// Returns whether a key is 16 bytes in base64.
fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key).is_ok_and(|key| key.len() == 16)
}

fn refuse(status: StatusCode, text: &'static str) -> Response<&'static str> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let version = HeaderValue::from_static("13");
    response
        .headers_mut()
        .insert(SEC_WEBSOCKET_VERSION, version);
    response
}
