//! Addresses of TCP and Unix sockets.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::SockAddr;

/// The address of a socket.
///
/// ```
/// use switchboard_net::Addr;
///
/// let addr = Addr::Tcp(([127, 0, 0, 1], 80).into());
/// assert_eq!(addr.to_string(), "127.0.0.1:80");
/// assert_eq!(addr.as_tcp().unwrap().port(), 80);
/// assert_eq!(Addr::Unix(None).to_string(), "unix");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addr {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A path; `None` for a socket that was not bound to one.
    Unix(Option<PathBuf>),
}

impl Addr {
    /// Returns the IP address and port of a TCP socket.
    pub fn as_tcp(&self) -> Option<SocketAddr> {
        match self {
            Addr::Tcp(addr) => Some(*addr),
            Addr::Unix(_) => None,
        }
    }
}

impl From<SockAddr> for Addr {
    fn from(addr: SockAddr) -> Addr {
        match addr.as_socket() {
            Some(addr) => Addr::Tcp(addr),
            None => Addr::Unix(addr.as_pathname().map(Into::into)),
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addr::Tcp(addr) => addr.fmt(f),
            Addr::Unix(Some(path)) => path.display().fmt(f),
            Addr::Unix(None) => f.write_str("unix"),
        }
    }
}
