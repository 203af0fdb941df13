//! Connecting without waiting.

use std::io;
use std::net::{SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType};

/// Begins to connect and does not wait, because the listen queue may stay full. `bind` may choose where the connection
/// comes from.
///
/// # Errors
/// The system's; those of `bind`.
pub(crate) fn connect(
    addr: SocketAddr,
    bind: impl FnOnce(&TcpStream) -> io::Result<()>,
) -> io::Result<TcpStream> {
    let family = match addr {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let stream = TcpStream::from(rustix::net::socket(family, SocketType::STREAM, None)?);
    rustix::io::fcntl_setfd(&stream, rustix::io::FdFlags::CLOEXEC)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    bind(&stream)?;
    match rustix::net::connect(&stream, &addr) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(stream),
        Err(error) => Err(error.into()),
    }
}
