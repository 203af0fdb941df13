//! Unix sockets of datagrams.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{RecvFlags, SocketAddrAny, SocketAddrUnix, sendto};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use switchboard_runtime::{self as runtime, Direction, Source};

use super::{datagram, poll_recv, poll_recv_from, poll_send, send_flags};
use crate::addr::Addr;

/// The first pause while the queue of a receiver is full; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A Unix socket of datagrams, for every model. A clone is the same socket.
///
/// Datagrams arrive in order, and none is lost: a send waits while the receiver's queue is full. What does
/// not fit into the buffer of a receive is lost. Dropping a future at any moment loses no datagram.
///
/// ```
/// use switchboard_net::UnixDatagram;
/// use switchboard_runtime::Model;
///
/// let (here, there) = UnixDatagram::pair()?;
/// let mut buffer = [0; 1500];
/// let length = Model::Tasks.run(async {
///     there.send(b"hello").await?;
///     here.recv(&mut buffer).await
/// })??;
/// assert_eq!(&buffer[..length], b"hello");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct UnixDatagram(Source);

impl UnixDatagram {
    /// Returns two sockets that are each other's peer.
    ///
    /// # Errors
    /// The system's, if no descriptor is left.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = Socket::pair(Domain::UNIX, Type::DGRAM, None)?;
        Ok((
            UnixDatagram::from_fd(a.into()),
            UnixDatagram::from_fd(b.into()),
        ))
    }

    /// Returns a socket without an address, which can send, and receive from a peer of its own.
    ///
    /// # Errors
    /// The system's, if no descriptor is left.
    pub fn unbound() -> io::Result<UnixDatagram> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        Ok(UnixDatagram::from_fd(socket.into()))
    }

    /// Binds a socket to `path`, which must not exist.
    ///
    /// # Errors
    /// The system's, such as `AddrInUse`, with the path.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        let path = path.as_ref();
        let bound = Socket::new(Domain::UNIX, Type::DGRAM, None).and_then(|socket| {
            socket.bind(&SockAddr::unix(path)?)?;
            Ok(UnixDatagram::from_fd(socket.into()))
        });
        bound.map_err(|error| named(&error, "bind", path))
    }

    /// Makes a socket from a descriptor of one.
    pub fn from_fd(fd: OwnedFd) -> UnixDatagram {
        UnixDatagram(Source::new(fd))
    }

    /// Sets the peer that [`send`](UnixDatagram::send) sends to, and from which alone datagrams are
    /// received. Does not wait.
    ///
    /// # Errors
    /// The system's, such as `NotFound`, with the path.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let addr = SockAddr::unix(path)?;
        let connected = SockRef::from(&self.0).connect(&addr);
        connected.map_err(|error| named(&error, "connect to", path))
    }

    /// Waits until the peer's queue has space, and sends one datagram; returns its length.
    ///
    /// # Errors
    /// `NotConnected` without a peer; the system's, such as `ConnectionRefused` if the peer is gone.
    pub fn send(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.poll_send(context, bytes);
        self.0.operation(Direction::Write, poll)
    }

    /// Polls until a datagram was sent, as [`send`](UnixDatagram::send) does.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll_send(&self.0, context, bytes)
    }

    /// Sends one datagram to the socket at `path`; returns its length. While the receiver's queue is full,
    /// waits with pauses of 1 to 100 ms, because the system reports no event.
    ///
    /// # Errors
    /// The system's, such as `NotFound` and `ConnectionRefused`, with the path.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let to = SocketAddrUnix::new(path)?;
        let mut pause = FIRST_PAUSE;
        loop {
            let poll = |context: &mut Context<'_>| {
                self.0.poll_call(context, Direction::Write, |fd, _| {
                    match sendto(fd, bytes, send_flags(false), &to) {
                        Err(rustix::io::Errno::AGAIN) => Ok((None, datagram(0))),
                        Ok(sent) => Ok((Some(sent), datagram(sent))),
                        Err(error) => Err(error.into()),
                    }
                })
            };
            let sent = self.0.operation(Direction::Write, poll).await;
            if let Some(sent) = sent.map_err(|error| named(&error, "send to", path))? {
                return Ok(sent);
            }
            runtime::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits for a datagram, copies it to `buffer` and returns its length, which may be zero.
    ///
    /// # Errors
    /// The system's.
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.poll_recv(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Polls for a datagram, as [`recv`](UnixDatagram::recv) does.
    pub fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        poll_recv(&self.0, context, buffer, RecvFlags::empty())
    }

    /// Waits for a datagram, copies it to `buffer` and returns its length and its sender, whose path is
    /// `None` if that socket has no address.
    ///
    /// # Errors
    /// The system's.
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, Addr)>> {
        let poll = |context: &mut Context<'_>| self.poll_recv_from(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Polls for a datagram, as [`recv_from`](UnixDatagram::recv_from) does.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, Addr)>> {
        poll_recv_from(&self.0, context, buffer, RecvFlags::empty()).map_ok(with_sender)
    }

    /// Waits for a datagram as [`recv_from`](UnixDatagram::recv_from) does, and leaves it to the next
    /// receive.
    ///
    /// # Errors
    /// The system's.
    pub fn peek_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, Addr)>> {
        let poll = |context: &mut Context<'_>| {
            poll_recv_from(&self.0, context, buffer, RecvFlags::PEEK).map_ok(with_sender)
        };
        self.0.operation(Direction::Read, poll)
    }

    /// Returns this socket's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        SockRef::from(&self.0).local_addr().map(Addr::from)
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    /// `NotConnected` without a peer.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        SockRef::from(&self.0).peer_addr().map(Addr::from)
    }
}

fn named(error: &io::Error, what: &str, path: &Path) -> io::Error {
    let text = format!("cannot {what} {}: {error}", path.display());
    io::Error::new(error.kind(), text)
}

fn with_sender((length, from): (usize, Option<SocketAddrAny>)) -> (usize, Addr) {
    use std::os::unix::ffi::OsStrExt;
    let path = from
        .and_then(|from| SocketAddrUnix::try_from(from).ok())
        .and_then(|from| {
            let path = from.path()?;
            Some(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())).to_owned())
        });
    (length, Addr::Unix(path))
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<std::os::unix::net::UnixDatagram> for UnixDatagram {
    fn from(socket: std::os::unix::net::UnixDatagram) -> UnixDatagram {
        UnixDatagram::from_fd(socket.into())
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixDatagram({:?})", self.0)
    }
}
