//! Connections.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use socket2::{Domain, SockRef, Socket, Type};
use switchboard_runtime::{Chunk, Direction, Source};

use crate::addr::Addr;
use crate::connect;

/// A TCP or Unix connection, for every model.
///
/// A clone is the same connection: one flow may read while another writes. It closes with the last
/// clone. Dropping a read or `write` future at any moment loses no byte.
#[derive(Clone)]
pub struct Stream(Source);

// Reading and writing are plain functions that return small futures: an async function would hold its
// arguments twice, in every connection that waits.
impl Stream {
    /// Connects to `name`, a `host:port`. The name is looked up off the loop; of several addresses
    /// the first to answer wins, each being given a quarter of a second's start (RFC 8305).
    ///
    /// # Errors
    /// `InvalidInput` without a port; the resolver's or the last address's error, saying which.
    pub async fn connect(name: &str) -> io::Result<Stream> {
        let addrs = connect::resolve_name(name).await?;
        connect::connect_any(&addrs).await
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// The system's, with the path.
    pub async fn connect_unix(path: impl AsRef<std::path::Path>) -> io::Result<Stream> {
        connect::connect_unix(path.as_ref()).await
    }

    /// Two Unix connections to each other.
    ///
    /// # Errors
    /// The system's, where no descriptor is left.
    pub fn pair() -> io::Result<(Stream, Stream)> {
        let (a, b) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
        Ok((Stream::from_fd(a.into()), Stream::from_fd(b.into())))
    }

    /// Takes over a connected socket.
    pub fn from_fd(fd: OwnedFd) -> Stream {
        Stream(Source::new(fd))
    }

    pub(crate) fn source(&self) -> &Source {
        &self.0
    }

    /// Waits for bytes and hands them out in a chunk of the thread's pool; an empty chunk is the end
    /// of input. A connection that waits here holds no buffer, except in a thread of its own.
    ///
    /// # Errors
    /// The system's, such as `ConnectionReset`.
    pub fn recv(&self) -> impl Future<Output = io::Result<Chunk>> {
        let poll = |context: &mut Context<'_>| self.0.poll_recv(context);
        self.0.operation(Direction::Read, poll)
    }

    /// As [`recv`](Stream::recv).
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.0.poll_recv(context)
    }

    /// As [`read`](Stream::read).
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }

    /// As [`write`](Stream::write).
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes)
    }

    /// As [`recv_urgent`](Stream::recv_urgent).
    pub fn poll_urgent(&self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        self.0.poll_urgent(context)
    }

    /// Waits until a call in this direction would not wait.
    pub fn poll_ready(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        self.0.poll_ready(context, direction)
    }

    /// Waits for bytes and copies them to `buffer`; zero is the end of input.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.0.poll_read(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Waits for `buffer` to be filled.
    ///
    /// # Errors
    /// `UnexpectedEof` if the input ends before that; the system's.
    pub async fn read_exact(&self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => buffer = &mut buffer[length..],
            }
        }
        Ok(())
    }

    /// Waits for room and sends what fits.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`.
    pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.0.poll_send(context, bytes);
        self.0.operation(Direction::Write, poll)
    }

    /// Sends all of `bytes`, waiting for room as often as it takes. Cancelled, it has sent a part.
    ///
    /// Where a driver answers "what is done?", small writes leave at the end of the loop's turn: what
    /// holds the thread until then (a `join` of a thread, a computation) holds them too.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`.
    pub fn write_all<'a>(&'a self, bytes: &'a [u8]) -> impl Future<Output = io::Result<()>> + 'a {
        self.0.send_all(bytes)
    }

    /// Waits for the out-of-band byte of a TCP peer (`MSG_OOB`).
    ///
    /// # Errors
    /// The system's.
    pub async fn recv_urgent(&self) -> io::Result<u8> {
        let poll = |context: &mut Context<'_>| self.0.poll_urgent(context);
        self.0.operation(Direction::Priority, poll).await
    }

    /// Tells the peer that no more bytes will come; those it sends can still be read.
    ///
    /// # Errors
    /// `NotConnected` if the peer is gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(Shutdown::Write)
    }

    /// Ends both directions: whoever reads finds the end, in whatever thread it waits.
    ///
    /// # Errors
    /// `NotConnected` if the peer is gone.
    pub fn shutdown(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(Shutdown::Both)
    }

    /// Makes the close a reset (`SO_LINGER` of zero): what was not sent yet is thrown away.
    ///
    /// # Errors
    /// The system's.
    pub fn reset_on_close(&self) -> io::Result<()> {
        SockRef::from(&self.0).set_linger(Some(std::time::Duration::ZERO))
    }

    /// Whether small messages are sent at once (`TCP_NODELAY`); they are, unless this says not.
    ///
    /// # Errors
    /// The system's; a Unix socket has no such option.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        SockRef::from(&self.0).set_tcp_nodelay(on)
    }

    /// This end's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        SockRef::from(&self.0).local_addr().map(Addr::from)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected` if the peer is gone.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        SockRef::from(&self.0).peer_addr().map(Addr::from)
    }
}

/// The descriptor. Bytes are to be read through the stream: where a driver answers "what is done?", it
/// may have them already, and a duplicate of the descriptor would not find them.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<std::net::TcpStream> for Stream {
    fn from(stream: std::net::TcpStream) -> Stream {
        Stream::from_fd(stream.into())
    }
}

impl From<std::os::unix::net::UnixStream> for Stream {
    fn from(stream: std::os::unix::net::UnixStream) -> Stream {
        Stream::from_fd(stream.into())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.0)
    }
}

impl AsyncRead for &Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }
}

impl AsyncWrite for &Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(closed(self.shutdown_write()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(closed(self.shutdown_write()))
    }
}

/// A peer that is gone needs no telling.
fn closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}
