//! The options of sockets that are bound to an address.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

/// The number of connections that may wait to be accepted; the kernel's limit is `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// The bytes of a connection that wait in its socket until the network can take them. Without a limit, a client that
/// does not read has the kernel hold megabytes, and a few thousand such clients all that TCP may have.
const UNSENT: u32 = 128 * 1024;

/// The options with which a [`Listener`](crate::Listener) or a [`UdpSocket`](crate::UdpSocket) is bound.
///
/// ```
/// use switchboard_net::BindOptions;
///
/// let listener = BindOptions::new().reuse_port(true).backlog(128).bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?.as_tcp().unwrap();
/// let second = BindOptions::new().reuse_port(true).bind(addr)?;
/// assert_eq!(second.local_addr()?, listener.local_addr()?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing unless something is bound with them"]
pub struct BindOptions {
    reuse_address: Option<bool>,
    reuse_port: bool,
    only_v6: Option<bool>,
    nodelay: bool,
    backlog: u32,
    send_buffer_size: Option<usize>,
    recv_buffer_size: Option<usize>,
    unsent: u32,
    ttl: Option<u32>,
}

impl Default for BindOptions {
    fn default() -> BindOptions {
        BindOptions {
            reuse_address: None,
            reuse_port: false,
            only_v6: None,
            nodelay: true,
            backlog: BACKLOG,
            send_buffer_size: None,
            recv_buffer_size: None,
            unsent: UNSENT,
            ttl: None,
        }
    }
}

impl BindOptions {
    /// Returns the options that [`Listener::bind`](crate::Listener::bind) and
    /// [`UdpSocket::bind`](crate::UdpSocket::bind) use.
    pub fn new() -> BindOptions {
        BindOptions::default()
    }

    /// Sets whether the address can be used again while connections of an earlier socket linger
    /// (`SO_REUSEADDR`). On for listeners and off for UDP sockets unless it is set.
    pub fn reuse_address(mut self, on: bool) -> BindOptions {
        self.reuse_address = Some(on);
        self
    }

    /// Sets whether several sockets can be bound to the address, among which the kernel divides the
    /// connections or datagrams (`SO_REUSEPORT`). Off unless it is set.
    pub fn reuse_port(mut self, on: bool) -> BindOptions {
        self.reuse_port = on;
        self
    }

    /// Sets whether a socket on an IPv6 address refuses IPv4 peers (`IPV6_V6ONLY`). The system decides
    /// unless it is set; an IPv4 socket ignores it.
    pub fn only_v6(mut self, on: bool) -> BindOptions {
        self.only_v6 = Some(on);
        self
    }

    /// Sets whether accepted connections send small messages at once (`TCP_NODELAY`). On unless it is set.
    pub fn nodelay(mut self, on: bool) -> BindOptions {
        self.nodelay = on;
        self
    }

    /// Sets how many connections may wait to be accepted, up to the system's limit. 4,096 unless it is set.
    pub fn backlog(mut self, connections: u32) -> BindOptions {
        self.backlog = connections;
        self
    }

    /// Sets the size of the send buffer in bytes (`SO_SNDBUF`), which accepted connections inherit. The
    /// system decides unless it is set; Linux doubles the number.
    pub fn send_buffer_size(mut self, bytes: usize) -> BindOptions {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// Sets the size of the receive buffer in bytes (`SO_RCVBUF`), which accepted connections inherit. The
    /// system decides unless it is set; Linux doubles the number.
    pub fn recv_buffer_size(mut self, bytes: usize) -> BindOptions {
        self.recv_buffer_size = Some(bytes);
        self
    }

    /// Sets how many bytes may wait in the socket of an accepted connection beyond those that are on their way to the
    /// peer (`TCP_NOTSENT_LOWAT`): a writer waits while there are more. It bounds what peers that do not read have
    /// the kernel hold, and what is on its way is not limited by it. 128 KiB unless it is set; other systems than
    /// Linux and Android, Unix sockets and UDP ignore it.
    pub fn unsent(mut self, bytes: u32) -> BindOptions {
        self.unsent = bytes;
        self
    }

    /// Sets how many routers packets may pass (`IP_TTL`, or the hop limit of IPv6), which accepted
    /// connections inherit.
    pub fn ttl(mut self, hops: u32) -> BindOptions {
        self.ttl = Some(hops);
        self
    }

    /// Returns a listening socket on the first address for which there can be one.
    pub(crate) fn tcp_socket(&self, addr: impl ToSocketAddrs + Debug) -> io::Result<Socket> {
        first(addr, |addr| {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
            socket.set_reuse_address(self.reuse_address.unwrap_or(true))?;
            // Accepted sockets inherit it. Nagle's algorithm and delayed ACKs hold a small answer for 40 ms.
            socket.set_tcp_nodelay(self.nodelay)?;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            socket.set_tcp_notsent_lowat(self.unsent)?;
            self.apply(&socket, addr)?;
            self.listen(&socket)?;
            Ok(socket)
        })
    }

    /// Returns a listening socket at `path`.
    pub(crate) fn unix_socket(&self, path: &Path) -> io::Result<Socket> {
        let bound = Socket::new(Domain::UNIX, Type::STREAM, None).and_then(|socket| {
            self.apply_sizes(&socket)?;
            socket.bind(&SockAddr::unix(path)?)?;
            self.listen(&socket)?;
            Ok(socket)
        });
        bound.map_err(|error| {
            let text = format!("cannot listen on {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })
    }

    /// Returns a socket for datagrams on the first address for which there can be one.
    pub(crate) fn udp_socket(&self, addr: impl ToSocketAddrs + Debug) -> io::Result<Socket> {
        first(addr, |addr| {
            let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
            socket.set_reuse_address(self.reuse_address.unwrap_or(false))?;
            self.apply(&socket, addr)?;
            Ok(socket)
        })
    }

    /// Sets the options of an IP socket, and binds it.
    fn apply(&self, socket: &Socket, addr: SocketAddr) -> io::Result<()> {
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let (Some(on), true) = (self.only_v6, addr.is_ipv6()) {
            socket.set_only_v6(on)?;
        }
        match self.ttl {
            Some(hops) if addr.is_ipv6() => socket.set_unicast_hops_v6(hops)?,
            Some(hops) => socket.set_ttl_v4(hops)?,
            None => {}
        }
        self.apply_sizes(socket)?;
        socket.bind(&addr.into())
    }

    fn apply_sizes(&self, socket: &Socket) -> io::Result<()> {
        if let Some(bytes) = self.send_buffer_size {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.recv_buffer_size {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(())
    }

    fn listen(&self, socket: &Socket) -> io::Result<()> {
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))
    }
}

/// Returns what `bind` makes of the first address for which it succeeds.
fn first<T>(
    addr: impl ToSocketAddrs + Debug,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    let found = addr.to_socket_addrs();
    for addr in found.map_err(|error| unresolved(&addr, &error))? {
        match bind(addr) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = Some(explain(addr, &error)),
        }
    }
    Err(last.unwrap_or_else(|| {
        let none = io::Error::new(io::ErrorKind::InvalidInput, "there is no address");
        unresolved(&addr, &none)
    }))
}

/// Returns the error of an address that is none, or whose name is not found, with its text and what to do.
fn unresolved(addr: &impl Debug, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::InvalidInput => "; use HOST:PORT, as 127.0.0.1:8080",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("cannot listen on {addr:?}: {error}{remedy}"),
    )
}

/// Returns the error with the address and what to do.
fn explain(addr: SocketAddr, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; stop what listens there, or take another port (0: any free one)"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need the right to bind them",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("cannot listen on {addr}: {error}{remedy}"),
    )
}
