//! Connections that leave HTTP.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use http::header::{HeaderValue, UPGRADE};
use http::{Response, StatusCode};
use switchboard_net::{Chunk, Stream};
use switchboard_tls::TlsStream;

use crate::Body;
use crate::server::transport::poll_chunk;

/// What a connection does after HTTP.
pub(crate) type Continuation =
    Box<dyn FnOnce(Upgraded) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> + Send>;

/// What travels with a response and is taken once.
struct Carried<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Carried<T> {
    fn clone(&self) -> Carried<T> {
        Carried(self.0.clone())
    }
}

fn carry<T: Send + 'static, B>(response: &mut Response<B>, carried: T) {
    let carried = Carried(Arc::new(Mutex::new(Some(carried))));
    response.extensions_mut().insert(carried);
}

fn take<T: Send + 'static, B>(response: &mut Response<B>) -> Option<T> {
    let Carried(carried) = response.extensions_mut().remove()?;
    carried
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

/// Returns the response of a handler that changes the connection's protocol, as to WebSocket: status 101 with
/// `protocol` in the field `upgrade`. Once it is sent, the connection's own flow runs `run` with the
/// connection, under every model; it ends with its result. The limits and the stop of the server no longer
/// apply.
///
/// The client must have asked for a protocol, in the request's field `upgrade`, and the handler must have read
/// the request's body to its end, if there is one; else the client is answered by 500. Only HTTP/1.1 connections
/// change their protocol.
///
/// ```
/// use std::convert::Infallible;
/// use std::io::{Read, Write};
/// use futures_lite::AsyncWriteExt;
/// use http::HeaderValue;
/// use switchboard_http::{Request, serve_connection, upgrade};
/// use switchboard_runtime::Model;
///
/// let (mut client, stream) = std::os::unix::net::UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n")?;
/// let handler = |_request: Request| async {
///     Ok::<_, Infallible>(upgrade(HeaderValue::from_static("shout"), |mut connection| async move {
///         connection.write_all(b"HELLO").await
///     }))
/// };
/// Model::Tasks.run(serve_connection(stream.into(), handler))??;
/// let mut text = String::new();
/// client.read_to_string(&mut text)?;
/// assert!(text.starts_with("HTTP/1.1 101 ") && text.ends_with("\r\n\r\nHELLO"));
/// # std::io::Result::Ok(())
/// ```
pub fn upgrade<F>(
    protocol: HeaderValue,
    run: impl FnOnce(Upgraded) -> F + Send + 'static,
) -> Response<Body>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let run: Continuation = Box::new(|upgraded| Box::pin(run(upgraded)));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(UPGRADE, protocol);
    carry(&mut response, run);
    response
}

/// Takes what [`upgrade`] put into a response.
pub(crate) fn take_continuation<B>(response: &mut Response<B>) -> Option<Continuation> {
    take(response)
}

pub(crate) trait Bytestream: AsyncRead + AsyncWrite + Unpin + Send + Any {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Bytestream for S {}

/// A connection that has left HTTP. Reads return what the peer has sent behind its head first.
///
/// Dropping it closes the connection. See [`upgrade`] for the side of a server, and [`take`](Upgraded::take) for
/// that of a client.
pub struct Upgraded {
    early: Bytes,
    io: Io,
}

enum Io {
    Socket(Stream),
    Other(Box<dyn Bytestream>),
}

impl Upgraded {
    pub(crate) fn of_socket(socket: Stream, early: Bytes) -> Upgraded {
        let io = Io::Socket(socket);
        Upgraded { early, io }
    }

    pub(crate) fn of_stream(stream: impl Bytestream + 'static, early: Bytes) -> Upgraded {
        let io = Io::Other(Box::new(stream));
        Upgraded { early, io }
    }

    /// Takes the connection of an answer that [`ClientConnection::send`](crate::ClientConnection::send) has
    /// returned, if its status is 101; its field `upgrade` names the protocol. `None` for other answers, and the
    /// second time. It is for the caller to know whether the request has asked for that protocol.
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    /// use http::Method;
    /// use switchboard_http::{Body, ClientConnection, ExchangeLimits, RequestHead, Upgraded};
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let text = Model::Tasks.run(async {
    ///     let mut head = RequestHead::new(&Method::GET, "/");
    ///     head.field("host", b"here");
    ///     head.upgrade(b"shout");
    ///     head.finish(&Body::empty());
    ///     let answer = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\nHELLO";
    ///     there.write_all(answer).await?;
    ///     there.shutdown_write()?;
    ///     let (connection, limits) = (ClientConnection::new(here), ExchangeLimits::default());
    ///     let sent = connection.send(&head, Body::empty(), &limits, drop).await;
    ///     let mut connection = Upgraded::take(&mut sent.unwrap()).unwrap();
    ///     let mut text = String::new();
    ///     connection.read_to_string(&mut text).await?;
    ///     std::io::Result::Ok(text)
    /// })??;
    /// assert_eq!(text, "HELLO");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take(response: &mut Response<Body>) -> Option<Upgraded> {
        take(response)
    }

    /// Puts the connection into the answer that it has left HTTP with.
    pub(crate) fn put_into(self, response: &mut Response<Body>) {
        carry(response, self);
    }

    /// Returns the socket underneath, also of a connection with TLS, for its addresses and options; `None` for
    /// another stream. Bytes that are read from it or written to it are lost to the protocol.
    pub fn socket(&self) -> Option<&Stream> {
        match &self.io {
            Io::Socket(socket) => Some(socket),
            Io::Other(stream) => {
                let stream: &dyn Any = &**stream;
                stream.downcast_ref().map(TlsStream::socket)
            }
        }
    }

    /// Returns the socket, and what the peer has sent behind its head.
    ///
    /// # Errors
    /// The same connection, if it is no socket, such as one with TLS.
    pub fn into_socket(self) -> Result<(Stream, Bytes), Upgraded> {
        match self.io {
            Io::Socket(socket) => Ok((socket, self.early)),
            Io::Other(_) => Err(self),
        }
    }

    /// Polls for bytes in a chunk of the thread's pool, as [`Stream::poll_recv`] does; an empty chunk is the end of
    /// input.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            return Poll::Ready(Ok(Chunk::from(&early[..])));
        }
        match &mut self.io {
            Io::Socket(socket) => socket.poll_recv(context),
            Io::Other(stream) => poll_chunk(Pin::new(&mut **stream), context),
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Bytestream> {
        match &mut self.io {
            Io::Socket(socket) => Pin::new(socket),
            Io::Other(stream) => Pin::new(&mut **stream),
        }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.early.is_empty() {
            return self.io().poll_read(context, buffer);
        }
        let length = buffer.len().min(self.early.len());
        buffer[..length].copy_from_slice(&self.early.split_to(length));
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(context, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_close(context)
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.io {
            Io::Socket(socket) => write!(f, "Upgraded({socket:?})"),
            Io::Other(_) => f.write_str("Upgraded"),
        }
    }
}
