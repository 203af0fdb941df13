//! Listeners.

use std::fmt::Debug;
use std::io;
use std::net::ToSocketAddrs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::task::{Context, Poll};

use socket2::SockRef;
use switchboard_runtime::{Direction, OperationFuture, Source};

use crate::addr::Addr;
use crate::bind::BindOptions;
use crate::stream::Stream;

/// A listening TCP or Unix socket, for every model. A clone is the same socket.
///
/// The last clone to be dropped closes it. Where the loop that owns it does not run on that thread at that moment, the loop
/// closes it in its next turn, or as it is dropped: until then its address is in use.
///
/// ```
/// use switchboard_net::Listener;
/// use switchboard_runtime::Model;
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?.as_tcp().unwrap())?;
/// let (_stream, peer) = Model::Tasks.run(listener.accept())??;
/// assert_eq!(peer.as_tcp(), Some(client.local_addr()?));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Listener(Source);

impl BindOptions {
    /// Listens on a TCP address, as [`Listener::bind`] does. Looking up a name may block the thread.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is no address with a port; the system's, such as `AddrInUse`. Each has
    /// the address and what to do.
    ///
    /// ```
    /// use switchboard_net::BindOptions;
    ///
    /// let error = BindOptions::new().bind("nonsense").unwrap_err().to_string();
    /// assert!(error.starts_with("cannot listen on \"nonsense\": "));
    /// assert!(error.ends_with("; use HOST:PORT, as 127.0.0.1:8080"));
    /// ```
    pub fn bind(&self, addr: impl ToSocketAddrs + Debug) -> io::Result<Listener> {
        Listener::from_fd(self.tcp_socket(addr)?.into())
    }

    /// Listens on a Unix socket, as [`Listener::bind_unix`] does. Only the backlog and the sizes of the
    /// buffers apply.
    ///
    /// # Errors
    /// The system's, such as `AddrInUse`, with the path.
    pub fn bind_unix(&self, path: impl AsRef<Path>) -> io::Result<Listener> {
        Listener::from_fd(self.unix_socket(path.as_ref())?.into())
    }
}

impl Listener {
    /// Listens on a TCP address such as `127.0.0.1:8080`; port 0 takes a free one. The address can be
    /// used again as soon as this socket is closed. Looking up a name may block the thread.
    ///
    /// # Errors
    /// The system's, such as `AddrInUse`, with the address and what to do.
    pub fn bind(addr: impl ToSocketAddrs + Debug) -> io::Result<Listener> {
        BindOptions::new().bind(addr)
    }

    /// Returns the options of a listener, to be changed before it is bound.
    ///
    /// ```
    /// use switchboard_net::Listener;
    ///
    /// let listener = Listener::options().backlog(16).bind("127.0.0.1:0")?;
    /// # drop(listener);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn options() -> BindOptions {
        BindOptions::new()
    }

    /// Listens as [`bind`](Listener::bind) does, with one of several sockets on one port, among which the
    /// kernel divides the connections (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// As [`bind`](Listener::bind).
    pub fn bind_shared(addr: impl ToSocketAddrs + Debug) -> io::Result<Listener> {
        BindOptions::new().reuse_port(true).bind(addr)
    }

    /// Listens on a Unix socket at `path`, which must not exist.
    ///
    /// # Errors
    /// The system's, such as `AddrInUse`, with the path.
    pub fn bind_unix(path: impl AsRef<Path>) -> io::Result<Listener> {
        BindOptions::new().bind_unix(path)
    }

    /// Makes a listener from a socket that listens already, and sets it to non-blocking mode.
    ///
    /// # Errors
    /// The system's.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Listener> {
        SockRef::from(&fd).set_nonblocking(true)?;
        Ok(Listener(Source::new(fd)))
    }

    /// Returns a second descriptor of the same socket, as for another worker.
    ///
    /// # Errors
    /// The system's, if no descriptor is left.
    pub fn try_clone(&self) -> io::Result<Listener> {
        Ok(Listener(Source::new(self.0.as_fd().try_clone_to_owned()?)))
    }

    /// Waits for a connection and accepts it. Connections that failed while they waited are skipped.
    /// Dropping the future loses no connection.
    ///
    /// A loop that accepts for as long as a program runs is better written with
    /// [`Incoming`](crate::Incoming), which tells passing errors from lasting ones.
    ///
    /// # Errors
    /// The system's. `EMFILE` and `ENFILE` (no descriptor left) leave the connection in the queue;
    /// `InvalidInput` means that the socket no longer listens.
    pub async fn accept(&self) -> io::Result<(Stream, Addr)> {
        let poll = |context: &mut Context<'_>| self.poll_accept(context);
        self.operation(poll).await
    }

    /// Accepts a connection, as [`accept`](Listener::accept) does.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Stream, Addr)>> {
        let accepted = std::task::ready!(self.poll_connection(context));
        Poll::Ready(accepted.map(|(stream, peer)| {
            // A peer that has gone since has no address, but may have left bytes.
            let peer = peer.or_else(|| stream.peer_addr().ok());
            (stream, peer.unwrap_or(Addr::Unix(None)))
        }))
    }

    /// Accepts a connection; its peer's address is `None` if the system call did not return it.
    pub(crate) fn poll_connection(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, Option<Addr>)>> {
        loop {
            return Poll::Ready(match std::task::ready!(self.0.poll_accept(context)) {
                Ok((fd, peer)) => Ok((Stream::from_fd(fd), peer.map(Addr::Tcp))),
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => Err(error),
            });
        }
    }

    /// Takes a connection that was accepted for a dropped accept.
    pub(crate) fn poll_last(&self, context: &mut Context<'_>) -> Poll<Option<Stream>> {
        self.0
            .poll_last_accept(context)
            .map(|last| last.map(Stream::from_fd))
    }

    /// Returns `poll`, which accepts, as a future that withdraws its interest when it is dropped.
    pub(crate) fn operation<T, F>(&self, poll: F) -> OperationFuture<'_, F>
    where
        F: FnMut(&mut Context<'_>) -> Poll<T>,
    {
        self.0.operation(Direction::Read, poll)
    }

    /// Waits until a connection can be accepted.
    ///
    /// # Errors
    /// Those of registering the descriptor.
    pub async fn ready(&self) -> io::Result<()> {
        self.0.ready(Direction::Read).await
    }

    /// Stops listening, in other processes that share the socket too. Clients in the queue, and further
    /// ones, are refused.
    ///
    /// # Errors
    /// The system's.
    pub fn shutdown(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(std::net::Shutdown::Both)
    }

    /// Returns the address that the socket listens on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        SockRef::from(&self.0).local_addr().map(Addr::from)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Returns whether an error of accept(2) belongs to the connection that would have been accepted, not
/// to the listener: the connection was reset while it waited, a firewall forbids it, or its network is
/// gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let of_one = [
        Errno::CONNABORTED,
        Errno::PROTO,
        Errno::PERM,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETDOWN,
        Errno::NETUNREACH,
    ];
    let raw = error.raw_os_error();
    of_one.iter().any(|one| raw == Some(one.raw_os_error()))
}
