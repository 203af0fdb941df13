//! Addresses of either kind of socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::SockAddr;

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addr {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A path; none for a socket that was not bound to one.
    Unix(Option<PathBuf>),
}

impl Addr {
    /// The IP address and port, of a TCP socket.
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
