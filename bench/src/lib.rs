//! The part that the programs share: who is compared, what connections do, and for the servers, how they say where
//! they listen and how much they read at once.

pub mod apart;
pub mod backend;
pub mod clients;
pub mod contenders;
pub mod epoll;
pub mod exchange;
pub mod raw_uring;
pub mod rooms;
pub mod site;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};

/// Bytes of a connection's buffer, in servers that give each its own; and the most that is read at
/// once by those that share one.
pub const BUFFER: usize = 16 * 1024;

/// The address to listen on: this program's argument.
///
/// # Errors
/// `Other` for what is no address.
pub fn addr() -> io::Result<SocketAddr> {
    let addr = std::env::args().nth(1);
    addr.as_deref()
        .unwrap_or("127.0.0.1:0")
        .parse()
        .map_err(io::Error::other)
}

/// Binds the address, with room for a crowd, and says where.
///
/// # Errors
/// The system's.
pub fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(addr()?)?;
    // std listens with a backlog of 128; a second call widens it.
    rustix::net::listen(&listener, 4096)?;
    say(listener.local_addr()?)?;
    Ok(listener)
}

/// Says where it listens.
///
/// # Errors
/// Those of standard output.
pub fn say(addr: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "listening on {addr}")?;
    out.flush()
}
