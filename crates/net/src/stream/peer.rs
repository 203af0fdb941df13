//! The other end: who it is, whether it is there, and the end of what it is sent.

use std::io;
use std::net::{Shutdown, SocketAddr};

use socket2::SockRef;

use super::Stream;
use crate::addr::Addr;

impl Stream {
    /// Ends the direction to the peer, which reads the end of input after what was sent. Its own bytes
    /// can still be read.
    ///
    /// # Errors
    /// `NotConnected` if the connection is over.
    pub fn shutdown_write(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(Shutdown::Write)
    }

    /// Ends both directions. Flows that wait to read, on any thread, find the end of input.
    ///
    /// # Errors
    /// `NotConnected` if the connection is over.
    pub fn shutdown(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(Shutdown::Both)
    }

    /// Returns whether the connection is broken, or closed in both directions. Does not wait.
    ///
    /// A peer that has shut down only its sending side is still owed an answer: the connection is not hung
    /// up. A TCP peer that closes its socket looks the same until it answers further bytes with a reset.
    pub fn is_hung_up(&self) -> bool {
        self.0.is_hung_up()
    }

    /// Returns how many sent bytes the peer has not acknowledged, or, on a Unix connection, has not read. Does not
    /// wait. A peer that reads slowly is told by it from one that does not: a socket is writable only once a third
    /// of its buffer is free.
    ///
    /// # Errors
    /// `Unsupported` on systems other than Linux; the system's.
    ///
    /// ```
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// Model::Tasks.run(async {
    ///     here.write_all(b"hello").await?;
    ///     # if cfg!(target_os = "linux") {
    ///     assert!(here.unacknowledged()? > 0);
    ///     there.recv().await?;
    ///     assert_eq!(here.unacknowledged()?, 0);
    ///     # }
    ///     std::io::Result::Ok(())
    /// })?
    /// # ; std::io::Result::Ok(())
    /// ```
    pub fn unacknowledged(&self) -> io::Result<usize> {
        self.0.unacknowledged()
    }

    /// Returns this end's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        SockRef::from(&self.0).local_addr().map(Addr::from)
    }

    /// Sets what [`peer_addr`](Stream::peer_addr) returns, for this connection and its clones: the address of
    /// the client for which a proxy speaks. Only the first one is kept.
    ///
    /// ```
    /// use switchboard_net::{Addr, Stream};
    ///
    /// let (stream, _proxy) = Stream::pair()?;
    /// stream.set_peer_addr(([192, 0, 2, 7], 4711).into());
    /// assert_eq!(stream.peer_addr()?.to_string(), "192.0.2.7:4711");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_peer_addr(&self, client: SocketAddr) {
        self.0.set_peer(client);
    }

    /// Returns the peer's address, or the one that was [set](Stream::set_peer_addr).
    ///
    /// # Errors
    /// `NotConnected` if the connection is over.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        if let Some(client) = self.0.peer() {
            return Ok(Addr::Tcp(client));
        }
        SockRef::from(&self.0).peer_addr().map(Addr::from)
    }
}
