//! The client's side of the handshake.

use std::io;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use switchboard_net::{Chunk, Stream};
use switchboard_tls::TlsClient;
use url::{Position, Url};

use super::server::write_fields;
use super::{answer_to, lists};
use crate::socket::ClientStream;
use crate::{Options, Role, WebSocket, deflate};

/// The most bytes of an answer's head.
const HEAD: usize = 16 * 1024;
/// The most fields of an answer.
const FIELDS: usize = 64;

/// Connects to a `ws` or `wss` URL. Waits in the flow's own way, without a limit; a
/// [`timeout`](switchboard_runtime::timeout) sets one. The crate's page has an example.
///
/// # Errors
/// `InvalidInput` for what is no such URL; `InvalidData` for an answer that does not agree, with its status if it is one
/// of HTTP; `UnexpectedEof` if the server closes without one; those of [`Stream::connect`] and [`TlsClient::connect`].
pub async fn connect(url: &str, options: &Options) -> io::Result<WebSocket<ClientStream>> {
    let url = Url::parse(url).map_err(invalid_url)?;
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(invalid_url("a URL without a host"));
    };
    let is_tls = match url.scheme() {
        "ws" => false,
        "wss" => true,
        _ => return Err(invalid_url("a URL whose scheme is neither ws nor wss")),
    };
    let stream = Stream::connect((host, port)).await?;
    // Fails only if the connection is over.
    let _ = stream.set_nodelay(true);
    let mut stream = match is_tls {
        false => ClientStream::Plain(stream),
        true => {
            let name = host.trim_start_matches('[').trim_end_matches(']');
            let tls = tls(options)?.connect(name, stream).await?;
            ClientStream::Tls(Box::new(tls))
        }
    };
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    stream.write_all(&request(&url, &key, options)).await?;
    let mut received = Vec::new();
    let (status, headers, length) = loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&chunk);
        if let Some(head) = parse(&received)? {
            break head;
        }
        if received.len() > HEAD {
            return Err(refused("the server's answer has a head over 16 KiB"));
        }
    };
    let agreed = check(status, &headers, &key, options)?;
    let mut socket = WebSocket::new(stream, Role::Client, options, agreed.0);
    socket.set_protocol(agreed.1);
    socket.received(&received[length..]);
    Ok(socket)
}

impl ClientStream {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            ClientStream::Plain(stream) => stream.write_all(bytes).await,
            ClientStream::Tls(stream) => stream.write_all(bytes).await,
        }
    }

    async fn recv(&mut self) -> io::Result<Chunk> {
        match self {
            ClientStream::Plain(stream) => stream.recv().await,
            ClientStream::Tls(stream) => stream.recv().await,
        }
    }
}

/// Returns the client's TLS, or one that trusts Mozilla's roots, which take time to parse.
fn tls(options: &Options) -> io::Result<TlsClient> {
    static MOZILLA: OnceLock<TlsClient> = OnceLock::new();
    if let Some(tls) = options.tls.as_ref().or_else(|| MOZILLA.get()) {
        return Ok(tls.clone());
    }
    let tls = TlsClient::new()?;
    Ok(MOZILLA.get_or_init(|| tls).clone())
}

fn request(url: &Url, key: &str, options: &Options) -> Vec<u8> {
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let mut head = format!(
        "GET {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n"
    );
    if !options.protocols.is_empty() {
        head += &format!(
            "sec-websocket-protocol: {}\r\n",
            options.protocols.join(", ")
        );
    }
    if let Some(deflate) = options.deflate {
        head += &format!("sec-websocket-extensions: {}\r\n", deflate::offer(deflate));
    }
    let mut head = head.into_bytes();
    write_fields(&mut head, &options.fields);
    head
}

/// Parses a head; `None` if it is incomplete.
fn parse(bytes: &[u8]) -> io::Result<Option<(StatusCode, HeaderMap, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let malformed = |_| refused("the server's answer is not one of HTTP");
    let httparse::Status::Complete(length) = parsed.parse(bytes).map_err(malformed)? else {
        return Ok(None);
    };
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default());
    let status = status.map_err(|_| refused("the server's answer has no status"))?;
    let mut headers = HeaderMap::new();
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(refused("the server's answer has an invalid field"));
        };
        headers.append(name, value);
    }
    Ok(Some((status, headers, length)))
}

/// Checks an answer. Returns what both sides have agreed on.
#[allow(clippy::type_complexity, reason = "compression and subprotocol")]
fn check(
    status: StatusCode,
    headers: &HeaderMap,
    key: &str,
    options: &Options,
) -> io::Result<(Option<deflate::Agreed>, Option<Arc<str>>)> {
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(format!("the server has answered {status}")));
    }
    let agrees = lists(headers, &UPGRADE, "websocket") && lists(headers, &CONNECTION, "upgrade");
    let accept = headers.get(SEC_WEBSOCKET_ACCEPT);
    if !agrees || accept.is_none_or(|accept| accept != answer_to(key.as_bytes()).as_str()) {
        return Err(refused(
            "the server has not answered the handshake of WebSocket",
        ));
    }
    let protocol = headers.get(SEC_WEBSOCKET_PROTOCOL).map(|chosen| {
        let offered = options.protocols.iter();
        offered
            .into_iter()
            .find(|offered| *chosen == ***offered)
            .cloned()
            .ok_or_else(|| refused("the server has chosen a subprotocol that was not offered"))
    });
    let agreed = deflate::answered(headers, options.deflate)?;
    Ok((agreed, protocol.transpose()?))
}

fn invalid_url(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
