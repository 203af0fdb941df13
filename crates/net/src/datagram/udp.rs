//! UDP sockets.

use std::fmt::{self, Debug};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, SocketAddrAny, sendto};
use socket2::SockRef;
use switchboard_runtime::{Direction, Source};

use super::{datagram, poll_recv, poll_recv_from, poll_send, send_flags};
use crate::bind::BindOptions;
use crate::resolve::look_up;
use crate::target::{Target, ToTarget};

/// A UDP socket, for every model. A clone is the same socket.
///
/// Each receive takes one datagram into the caller's buffer; what does not fit is lost. Dropping a future
/// at any moment loses no datagram. All drivers wait for readiness here, io_uring too.
///
/// ```
/// use switchboard_net::UdpSocket;
/// use switchboard_runtime::Model;
///
/// let here = UdpSocket::bind("127.0.0.1:0")?;
/// let there = UdpSocket::bind("127.0.0.1:0")?;
/// let mut buffer = [0; 1500];
/// let (length, from) = Model::Tasks.run(async {
///     there.send_to(b"hello", here.local_addr()?).await?;
///     here.recv_from(&mut buffer).await
/// })??;
/// assert_eq!(&buffer[..length], b"hello");
/// assert_eq!(from, there.local_addr()?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct UdpSocket(Source);

impl BindOptions {
    /// Binds a UDP socket, as [`UdpSocket::bind`] does. The backlog and `nodelay` do not apply.
    ///
    /// # Errors
    /// The system's, such as `AddrInUse`, with the address and what to do.
    pub fn bind_udp(&self, addr: impl ToSocketAddrs + Debug) -> io::Result<UdpSocket> {
        Ok(UdpSocket::from_fd(self.udp_socket(addr)?.into()))
    }
}

impl UdpSocket {
    /// Binds a socket to an address such as `127.0.0.1:8080`; port 0 takes a free one. Looking up a name may
    /// block the thread.
    ///
    /// # Errors
    /// The system's, such as `AddrInUse`, with the address and what to do.
    pub fn bind(addr: impl ToSocketAddrs + Debug) -> io::Result<UdpSocket> {
        BindOptions::new().bind_udp(addr)
    }

    /// Makes a socket from a descriptor of one.
    pub fn from_fd(fd: OwnedFd) -> UdpSocket {
        UdpSocket(Source::new(fd))
    }

    /// Sets the peer that [`send`](UdpSocket::send) sends to, and from which alone datagrams are received. A
    /// name is looked up on another thread; the first address that the system takes is the peer.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is no address with a port, and for the path of a Unix socket; the
    /// resolver's error, or the system's for the last address.
    pub async fn connect(&self, peer: impl ToTarget) -> io::Result<()> {
        let addrs = match peer.to_target()? {
            Target::Name(host, port) => look_up(host, port).await?,
            Target::Addrs(addrs) => addrs,
            Target::Path(_) => Vec::new(),
        };
        let mut connected = Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no IP address to connect to",
        ));
        for addr in addrs {
            connected = SockRef::from(&self.0).connect(&addr.into());
            if connected.is_ok() {
                break;
            }
        }
        connected
    }

    /// Waits until the socket is writable, and sends one datagram to the peer; returns its length.
    ///
    /// # Errors
    /// `NotConnected` or `InvalidInput` without a peer; the system's, such as `ConnectionRefused` after the
    /// peer's machine has answered an earlier datagram with it.
    pub fn send(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.poll_send(context, bytes);
        self.0.operation(Direction::Write, poll)
    }

    /// Polls until a datagram was sent, as [`send`](UdpSocket::send) does.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll_send(&self.0, context, bytes)
    }

    /// Waits until the socket is writable, and sends one datagram to `to`; returns its length.
    ///
    /// # Errors
    /// The system's, such as `PermissionDenied` for a broadcast that was not
    /// [allowed](UdpSocket::set_broadcast).
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> impl Future<Output = io::Result<usize>> {
        let poll = move |context: &mut Context<'_>| self.poll_send_to(context, bytes, to);
        self.0.operation(Direction::Write, poll)
    }

    /// Polls until a datagram was sent, as [`send_to`](UdpSocket::send_to) does.
    pub fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.0
            .poll_call(context, Direction::Write, |fd, may_block| {
                let sent = sendto(fd, bytes, send_flags(may_block), &to)?;
                Ok((sent, datagram(sent)))
            })
    }

    /// Waits for a datagram, copies it to `buffer` and returns its length, which may be zero.
    ///
    /// # Errors
    /// The system's, such as `ConnectionRefused` if the peer's machine has answered with it.
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.poll_recv(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Polls for a datagram, as [`recv`](UdpSocket::recv) does.
    pub fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        poll_recv(&self.0, context, buffer, RecvFlags::empty())
    }

    /// Waits for a datagram, copies it to `buffer` and returns its length and its sender.
    ///
    /// # Errors
    /// The system's.
    pub fn recv_from(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        let poll = |context: &mut Context<'_>| self.poll_recv_from(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Polls for a datagram, as [`recv_from`](UdpSocket::recv_from) does.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let polled = poll_recv_from(&self.0, context, buffer, RecvFlags::empty());
        polled.map(|received| received.and_then(with_sender))
    }

    /// Waits for a datagram as [`recv_from`](UdpSocket::recv_from) does, and leaves it to the next receive.
    ///
    /// # Errors
    /// The system's.
    pub fn peek_from(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        let poll = |context: &mut Context<'_>| self.poll_peek_from(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Polls for a datagram, as [`peek_from`](UdpSocket::peek_from) does.
    pub fn poll_peek_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let polled = poll_recv_from(&self.0, context, buffer, RecvFlags::PEEK);
        polled.map(|received| received.and_then(with_sender))
    }

    /// Waits for a datagram as [`recv`](UdpSocket::recv) does, and leaves it to the next receive.
    ///
    /// # Errors
    /// The system's.
    pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| poll_recv(&self.0, context, buffer, RecvFlags::PEEK);
        self.0.operation(Direction::Read, poll)
    }

    /// Waits until a datagram can be received or sent without waiting.
    ///
    /// # Errors
    /// Those of registering the descriptor.
    pub async fn ready(&self, direction: Direction) -> io::Result<()> {
        self.0.ready(direction).await
    }

    /// Returns this socket's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip(SockRef::from(&self.0).local_addr()?)
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    /// `NotConnected` without a peer.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip(SockRef::from(&self.0).peer_addr()?)
    }
}

fn ip(addr: socket2::SockAddr) -> io::Result<SocketAddr> {
    let not_ip = || io::Error::new(io::ErrorKind::InvalidData, "this is no IP socket");
    addr.as_socket().ok_or_else(not_ip)
}

fn with_sender((length, from): (usize, Option<SocketAddrAny>)) -> io::Result<(usize, SocketAddr)> {
    let not_ip = || io::Error::new(io::ErrorKind::InvalidData, "the sender has no IP address");
    let from = from.and_then(|from| from.try_into().ok());
    Ok((length, from.ok_or_else(not_ip)?))
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<std::net::UdpSocket> for UdpSocket {
    fn from(socket: std::net::UdpSocket) -> UdpSocket {
        UdpSocket::from_fd(socket.into())
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UdpSocket({:?})", self.0)
    }
}
