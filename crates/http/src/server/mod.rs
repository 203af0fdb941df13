//! HTTP/1.1 on a connection of a server.
//!
//! ```text
//!   connection   idle: a receive, the timer, the stop; no buffer
//!   burst        the requests from the first bytes on until none are left; freed when the connection is idle
//!     step         one head, one poll of the handler, one head of an answer
//!     h1           heads, framing, chunks: functions of bytes
//!     feed         the request's body, read when the handler asks for it
//!     answer       the response; small ones of one burst are sent together
//!   wire         the bytes and the limits of time
//!   transport    a socket, or any stream
//! ```

mod answer;
pub(crate) mod buffers;
mod burst;
mod connection;
mod feed;
mod intake;
mod limits;
pub(crate) mod pace;
mod refuse;
mod step;
pub(crate) mod transport;
mod wire;

use std::error::Error as StdError;
use std::future::pending;
use std::io;
use std::sync::Arc;

use futures_io::{AsyncRead, AsyncWrite};
use http::Response;
use hyper::body::Body;
use switchboard_net::Stream;

use self::connection::serve;
use self::transport::Adapted;
use crate::Request;

pub use self::limits::ServerLimits;
pub(crate) use self::transport::Transport;

/// Serves HTTP/1.1 on a connection until the client or a response closes it, with keep-alive and
/// pipelining. Waits in the flow's own way. The limits are the default ones; [`HttpServer`] has others.
///
/// A client that begins with HTTP/2 is served that: one that knows it beforehand, or one that has agreed on
/// `h2` in a TLS handshake (ALPN). Its requests run side by side in the flow that awaits this, and nothing is
/// spawned, so every model serves them; a handler that blocks its thread holds up the others of its
/// connection. A request that the client takes back has its handler dropped.
///
/// A client that shuts down its sending side gets the answers to all of its requests. A client that closes
/// a TCP connection looks the same, so the handler runs to its end. If the connection is reset while the
/// handler runs, or if the client closes a Unix connection, the handler's future is dropped within a
/// quarter of a second. Dropping this future closes the connection. The crate's page has an example.
///
/// # Errors
/// `ConnectionReset` if the client hung up while the handler ran; `InvalidData` for a request that is
/// malformed, or whose head, URI or number of fields exceeds a limit; `FileTooLarge` for a body over its
/// limit; `TimedOut` for what comes too slowly; and `Other` for a head that was cut, or a response of the
/// handler that is no answer: each of these is answered with the status that the error names, but a client
/// that sends nothing, or takes its answer too slowly, by nothing. A client that leaves between two
/// requests, however it does, is no error. In HTTP/2 a head that is refused is answered alike, and its
/// connection goes on. An HTTP/2 client that breaks the protocol, or floods the connection, is told the reason
/// (GOAWAY), and the error is of kind `Other`. `Other` around the error of the handler, or of its body; others
/// of the connection.
pub fn serve_connection<F, B, E>(
    stream: Stream,
    handler: impl Fn(Request) -> F,
) -> impl Future<Output = io::Result<()>>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    serve(stream, handler, pending(), ServerLimits::shared())
}

/// Serves as [`serve_connection`] does, until `stop` completes, such as the `wait` of a server's stop
/// handle. Then a connection that waits for a request, also one of which a part has come, has a second for it: it
/// may be on its way. One whose request runs, or whose first request has come in part, ends after the answer, which
/// tells the client by `connection: close`.
///
/// ```
/// use std::convert::Infallible;
/// use std::io::{Read, Write};
/// use switchboard_http::{Body, Request, Response, serve_connection_until};
/// use switchboard_runtime::{Event, Model};
///
/// let (mut client, stream) = std::os::unix::net::UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")?;
/// let stop = Event::new();
/// let handler = |_request: Request| async {
///     Ok::<_, Infallible>(Response::new(Body::from("hello")))
/// };
/// // The request has arrived before the stop, so it is answered.
/// stop.set();
/// Model::Tasks.run(serve_connection_until(stream.into(), handler, stop.wait()))??;
/// let mut text = String::new();
/// client.read_to_string(&mut text)?;
/// assert!(text.contains("connection: close") && text.ends_with("hello"));
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`serve_connection`].
pub fn serve_connection_until<F, B, E>(
    stream: Stream,
    handler: impl Fn(Request) -> F,
    stop: impl Future<Output = ()>,
) -> impl Future<Output = io::Result<()>>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    serve(stream, handler, stop, ServerLimits::shared())
}

/// Serves as [`serve_connection`] does, on any stream of bytes, such as a
/// [`TlsStream`](switchboard_tls::TlsStream), whose client is served HTTP/2 alone if it has agreed on `h2`. A
/// client that hangs up while the handler runs is noticed when the answer is sent.
///
/// # Errors
/// Those of [`serve_connection`].
///
/// ```
/// use std::convert::Infallible;
/// use switchboard_http::{Body, Response, serve_stream};
/// use switchboard_net::Stream;
/// use switchboard_tls::TlsServer;
///
/// async fn serve(server: TlsServer, stream: Stream) -> std::io::Result<()> {
///     let stream = server.accept(stream).await?;
///     serve_stream(stream, |_request| async {
///         Ok::<_, Infallible>(Response::new(Body::from("hello")))
///     })
///     .await
/// }
/// # let _ = serve;
/// ```
pub fn serve_stream<F, B, E>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    handler: impl Fn(Request) -> F,
) -> impl Future<Output = io::Result<()>>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    serve(Adapted(stream), handler, pending(), ServerLimits::shared())
}

/// HTTP/1.1 with limits of its own. A clone has the same ones.
///
/// ```no_run
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use switchboard_http::{Body, HttpServer, Response, ServerLimits};
/// use switchboard_server::{Model, Server};
///
/// let http = HttpServer::new(ServerLimits {
///     body_bytes: 1024 * 1024,
///     ..ServerLimits::default()
/// });
/// let server = Server::new().model(Model::Green).bind("127.0.0.1:8080")?;
/// server.serve(move |stream| {
///     http.serve(stream, |_request| async {
///         Ok::<_, Infallible>(Response::new(Body::from("hello")))
///     })
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HttpServer {
    limits: Arc<ServerLimits>,
}

impl HttpServer {
    /// Returns a server with `limits`.
    pub fn new(limits: ServerLimits) -> HttpServer {
        HttpServer {
            limits: Arc::new(limits),
        }
    }

    /// Returns the limits.
    pub fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// Serves a connection as [`serve_connection`] does.
    ///
    /// # Errors
    /// Those of [`serve_connection`].
    pub fn serve<F, B, E, H>(
        &self,
        stream: Stream,
        handler: H,
    ) -> impl Future<Output = io::Result<()>> + use<F, B, E, H>
    where
        H: Fn(Request) -> F,
        F: Future<Output = Result<Response<B>, E>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        serve(stream, handler, pending(), self.limits.clone())
    }

    /// Serves a connection as [`serve_connection_until`] does.
    ///
    /// # Errors
    /// Those of [`serve_connection`].
    pub fn serve_until<F, B, E, H, S>(
        &self,
        stream: Stream,
        handler: H,
        stop: S,
    ) -> impl Future<Output = io::Result<()>> + use<F, B, E, H, S>
    where
        H: Fn(Request) -> F,
        F: Future<Output = Result<Response<B>, E>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
        S: Future<Output = ()>,
    {
        serve(stream, handler, stop, self.limits.clone())
    }

    /// Serves any stream of bytes as [`serve_stream`] does, until `stop` completes.
    ///
    /// # Errors
    /// Those of [`serve_connection`].
    pub fn serve_stream_until<F, B, E, H, I, S>(
        &self,
        stream: I,
        handler: H,
        stop: S,
    ) -> impl Future<Output = io::Result<()>> + use<F, B, E, H, I, S>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Fn(Request) -> F,
        F: Future<Output = Result<Response<B>, E>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
        S: Future<Output = ()>,
    {
        serve(Adapted(stream), handler, stop, self.limits.clone())
    }
}
