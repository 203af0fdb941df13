//! Connections with TLS.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsStream as Inner;
use rustls::HandshakeKind;
use switchboard_net::{Chunk, Stream};
use switchboard_runtime::{self as runtime, Direction};

use crate::first::First;

/// The most bytes of a TLS record.
const RECORD: usize = 16 * 1024;
/// The most encrypted bytes that wait in memory for a socket that takes no more.
pub(crate) const BUFFERED: usize = 16 * 1024;
/// The time for which [`TlsStream::close`] waits.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

thread_local! {
    /// Receives decrypted bytes before they are copied to a chunk.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection with TLS, for every model, made by [`TlsClient::connect`](crate::TlsClient::connect) and
/// [`TlsServer::accept`](crate::TlsServer::accept).
///
/// Both directions share the state of the session, so methods take `&mut self`, and there are no clones; to
/// read and write at once, split it as any `futures-io` stream is split. Dropping a read or `write` future at
/// any moment loses no byte. Dropping the stream closes the connection without telling the peer, which finds
/// that as an error; [`close`](TlsStream::close) tells it.
///
/// ```
/// use switchboard_net::Chunk;
/// use switchboard_tls::TlsStream;
///
/// /// Answers each piece of input, and then says goodbye.
/// async fn echo(mut stream: TlsStream) -> std::io::Result<()> {
///     loop {
///         let chunk: Chunk = stream.recv().await?;
///         if chunk.is_empty() {
///             return stream.close().await;
///         }
///         stream.write_all(&chunk).await?;
///     }
/// }
/// # let _ = echo;
/// ```
pub struct TlsStream {
    tls: Inner<First>,
    /// The same connection, which ends the waits of dropped futures.
    socket: Stream,
    /// Whether the input has ended without the peer's telling.
    is_cut: bool,
}

impl TlsStream {
    pub(crate) fn new(tls: Inner<First>, socket: Stream) -> TlsStream {
        TlsStream {
            tls,
            socket,
            is_cut: false,
        }
    }

    /// Waits for bytes and returns them in a chunk of the thread's pool; an empty chunk is the end of input, of
    /// which the peer has told.
    ///
    /// # Errors
    /// `UnexpectedEof` if the connection ends without that; `InvalidData` for bytes that are no TLS; those of
    /// [`Stream::recv`].
    pub async fn recv(&mut self) -> io::Result<Chunk> {
        let TlsStream {
            tls,
            socket,
            is_cut,
        } = self;
        let poll = |context: &mut Context<'_>| poll_recv(tls, is_cut, context);
        socket.operation(Direction::Read, poll).await
    }

    /// Waits for bytes, copies them to `buffer` and returns their number; zero is the end of input, or the
    /// result of an empty buffer, which does not wait.
    ///
    /// # Errors
    /// Those of [`recv`](TlsStream::recv).
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The session would take a read of nothing for the end of input.
        if buffer.is_empty() {
            return Ok(0);
        }
        let TlsStream {
            tls,
            socket,
            is_cut,
        } = self;
        let poll = |context: &mut Context<'_>| poll_read(tls, is_cut, context, buffer);
        socket.operation(Direction::Read, poll).await
    }

    /// Waits until `buffer` is filled. Dropped before that, the bytes that came are in `buffer`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the input ends before that; those of [`recv`](TlsStream::recv).
    pub async fn read_exact(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => buffer = &mut buffer[length..],
            }
        }
        Ok(())
    }

    /// Encrypts some of `bytes` and returns their number. They may not all be sent before the next write,
    /// [`flush`](TlsStream::flush) or close.
    ///
    /// # Errors
    /// Those of [`Stream::write`].
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let TlsStream { tls, socket, .. } = self;
        let poll = |context: &mut Context<'_>| Pin::new(&mut *tls).poll_write(context, bytes);
        socket.operation(Direction::Write, poll).await
    }

    /// Waits until all encrypted bytes are sent.
    ///
    /// # Errors
    /// Those of [`Stream::write`].
    pub async fn flush(&mut self) -> io::Result<()> {
        let TlsStream { tls, socket, .. } = self;
        let poll = |context: &mut Context<'_>| Pin::new(&mut *tls).poll_flush(context);
        socket.operation(Direction::Write, poll).await
    }

    /// Sends all of `bytes`, and waits until the socket is writable as often as that takes. Dropped before it
    /// completes, it may have sent a part.
    ///
    /// # Errors
    /// Those of [`Stream::write`].
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        self.flush().await
    }

    /// Tells the peer that nothing more comes, and ends the direction to it. Its own bytes can still be read.
    ///
    /// # Errors
    /// Those of [`Stream::write`].
    pub async fn shutdown_write(&mut self) -> io::Result<()> {
        let TlsStream { tls, socket, .. } = self;
        let poll = |context: &mut Context<'_>| Pin::new(&mut *tls).poll_close(context);
        socket.operation(Direction::Write, poll).await
    }

    /// Tells the peer that nothing more comes, and closes the connection as [`Stream::close`] does: reads and
    /// discards until the peer closes, so that no reset overtakes what was sent. Both steps together take five
    /// seconds at most.
    ///
    /// # Errors
    /// `TimedOut` if not all encrypted bytes could be sent by then, as to a peer that does not read; those of
    /// [`Stream::linger_close`]. The connection is closed all the same.
    pub async fn close(mut self) -> io::Result<()> {
        let deadline = runtime::now() + CLOSE_LIMIT;
        let Ok(shut) = runtime::timeout_at(deadline, self.shutdown_write()).await else {
            // A peer that has read nothing finds the end, although the caller may have clones of the socket.
            let _ = self.socket.shutdown();
            let text = "the peer has not read all that was sent to it";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        };
        shut?;
        let remaining = deadline.saturating_duration_since(runtime::now());
        self.socket.linger_close(remaining).await
    }

    /// Returns the protocol that both sides have agreed on (ALPN), as `b"h2"`, if they have.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tls.get_ref().1.alpn_protocol()
    }

    /// Returns whether the session of an earlier connection was resumed, which costs neither side a signature.
    pub fn is_resumed(&self) -> bool {
        self.tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Returns the name that the client has asked for (SNI), on the server's side.
    pub fn server_name(&self) -> Option<&str> {
        match &self.tls {
            Inner::Server(stream) => stream.get_ref().1.server_name(),
            Inner::Client(_) => None,
        }
    }

    /// Returns the certificates that the peer has shown, its own first; none if it has shown none.
    pub fn peer_certificates(&self) -> &[rustls::pki_types::CertificateDer<'static>] {
        self.tls.get_ref().1.peer_certificates().unwrap_or_default()
    }

    /// Returns the connection underneath, for its addresses and options. Reading from it or writing to it
    /// breaks the session.
    pub fn socket(&self) -> &Stream {
        &self.socket
    }
}

/// Reads decrypted bytes. The session of a server tells of a cut by one error, and gives the end of input after that;
/// here the error comes each time.
fn poll_read(
    tls: &mut Inner<First>,
    is_cut: &mut bool,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let read = ready!(Pin::new(tls).poll_read(context, buffer));
    if let Err(error) = &read {
        *is_cut |= error.kind() == io::ErrorKind::UnexpectedEof;
    }
    Poll::Ready(match read {
        Ok(0) if *is_cut => Err(io::ErrorKind::UnexpectedEof.into()),
        read => read,
    })
}

fn poll_recv(
    tls: &mut Inner<First>,
    is_cut: &mut bool,
    context: &mut Context<'_>,
) -> Poll<io::Result<Chunk>> {
    // The buffer is taken, because the stream's own read may come here again.
    let mut buffer = BUFFER.take();
    buffer.resize(RECORD, 0);
    let read = poll_read(tls, is_cut, context, &mut buffer);
    let chunk = read.map_ok(|length| Chunk::from(&buffer[..length]));
    BUFFER.set(buffer);
    Poll::Ready(ready!(chunk))
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsStream({:?})", self.socket)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // The session would take a read of nothing for the end of input.
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let TlsStream { tls, is_cut, .. } = &mut *self;
        poll_read(tls, is_cut, context, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(context, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_close(context)
    }
}
