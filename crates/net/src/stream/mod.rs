//! Connections.

mod async_io;
mod close;
mod fds;
mod file;
mod halves;
mod options;
mod peer;
mod vectored;
mod weak;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::{Domain, Socket, Type};
use switchboard_runtime::{Activity, Chunk, Direction, OperationFuture, Source};

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use options::TcpKeepalive;
pub use weak::WeakStream;

/// A TCP or Unix connection, for every model.
///
/// A clone is the same connection: one flow may read while another writes. The last clone to be dropped
/// closes it. Where the loop that owns it does not run on that thread at that moment, the loop closes it in its next
/// turn, or as it is dropped: until then the peer finds no end. Dropping a read or `write` future at any moment loses no
/// byte. [`PlainStream`] is the same connection for plain functions.
///
/// Flows may use clones on several loops and threads at once. The loop that used the connection last owns it,
/// and using it on another one moves it there. If a flow waits on the first loop meanwhile, to read or to
/// write, the connection is shared from then on, until it closes: each loop waits by itself, no wait wakes
/// another, and io_uring only reports readiness for it, which costs a system call for each read and write.
/// Flows that wait to read get the bytes in no fixed order, each byte once; the bytes of two
/// [`write_all`](Stream::write_all)s may be mixed.
///
/// ```
/// use switchboard_net::Stream;
/// use switchboard_runtime::Model;
///
/// let (here, there) = Stream::pair()?;
/// let chunk = Model::Tasks.run(async {
///     here.write_all(b"hello").await?;
///     there.recv().await
/// })??;
/// assert_eq!(&*chunk, b"hello");
/// # std::io::Result::Ok(())
/// ```
///
/// [`PlainStream`]: crate::PlainStream
#[derive(Clone)]
pub struct Stream(Source);

// Reads and writes return small futures. An async function would hold its arguments twice in every
// connection that waits.
impl Stream {
    /// Returns the two ends of a Unix connection.
    ///
    /// # Errors
    /// The system's, if no descriptor is left.
    pub fn pair() -> io::Result<(Stream, Stream)> {
        let (a, b) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
        Ok((Stream::from_fd(a.into()), Stream::from_fd(b.into())))
    }

    /// Makes a stream from a connected socket.
    pub fn from_fd(fd: OwnedFd) -> Stream {
        Stream(Source::new(fd))
    }

    /// Has the operations of this connection noted in `activity`: what it waits for, and how many bytes it
    /// carried. Returns whether it does: not if there is a clone already.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::{Activity, Model};
    ///
    /// let (mut here, there) = Stream::pair()?;
    /// let activity = Arc::new(Activity::default());
    /// assert!(here.observe(activity.clone()));
    /// Model::Tasks.run(here.write_all(b"hello"))??;
    /// assert_eq!((activity.received(), activity.sent()), (0, 5));
    /// # drop(there);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn observe(&mut self, activity: Arc<Activity>) -> bool {
        self.0.observe(activity)
    }

    /// Returns a handle that does not keep the connection open.
    pub fn downgrade(&self) -> WeakStream {
        WeakStream::new(self.0.downgrade())
    }

    /// Returns the descriptor of the stream with the operations that hand-written futures poll.
    #[inline]
    pub fn source(&self) -> &Source {
        &self.0
    }

    /// Returns a future of what `poll` polls on this connection, and which waits in `direction`. Dropping it
    /// ends the wait, so that a flow which waits for something else no longer waits for the connection.
    ///
    /// ```
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::{Direction, Model};
    ///
    /// let (here, there) = Stream::pair()?;
    /// let recv = here.operation(Direction::Read, |context| here.poll_recv(context));
    /// let chunk = Model::Tasks.run(async {
    ///     there.write_all(b"hello").await?;
    ///     recv.await
    /// })??;
    /// assert_eq!(&*chunk, b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn operation<T, F>(&self, direction: Direction, poll: F) -> OperationFuture<'_, F>
    where
        F: FnMut(&mut Context<'_>) -> Poll<T>,
    {
        self.0.operation(direction, poll)
    }

    /// Waits for bytes and returns them in a chunk of the thread's pool; an empty chunk is the end of
    /// input. On a loop, a connection that waits here holds no buffer.
    ///
    /// # Errors
    /// The system's, such as `ConnectionReset`.
    pub fn recv(&self) -> impl Future<Output = io::Result<Chunk>> {
        let poll = |context: &mut Context<'_>| self.0.poll_recv(context);
        self.0.operation(Direction::Read, poll)
    }

    /// Polls for bytes, as [`recv`](Stream::recv) does.
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.0.poll_recv(context)
    }

    /// Polls for `most` bytes at most, for a chunk that is held while somebody else reads slowly: only the pages that
    /// bytes were written to take memory. What a completion driver has received ahead of the read comes as a whole;
    /// see [`receive_on_demand`](Stream::receive_on_demand).
    pub fn poll_recv_at_most(
        &self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<Chunk>> {
        self.0.poll_recv_at_most(context, most)
    }

    /// Polls for bytes, as [`read`](Stream::read) does.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }

    /// Polls until bytes were sent, as [`write`](Stream::write) does.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes)
    }

    /// Polls for the out-of-band byte, as [`recv_urgent`](Stream::recv_urgent) does.
    pub fn poll_urgent(&self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        self.0.poll_urgent(context)
    }

    /// Polls until a call in `direction` would not block.
    pub fn poll_ready(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        self.0.poll_ready(context, direction)
    }

    /// Waits for bytes, copies them to `buffer` and returns their number; zero is the end of input.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.0.poll_read(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Waits until `buffer` is filled. Dropped before that, the bytes that came are in `buffer`.
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

    /// Waits until the socket is writable, sends what fits, and returns the number of bytes.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`.
    pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.0.poll_send(context, bytes);
        self.0.operation(Direction::Write, poll)
    }

    /// Sends all of `bytes`, and waits until the socket is writable as often as that takes. Dropped
    /// before it completes, it may have sent a part.
    ///
    /// With a completion driver, small writes are sent at the end of the loop's turn. Code that holds the
    /// thread until then (a `join` of a thread, a computation) delays them.
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

    /// Has nothing received ahead of a read, so that what this flow does not read stays in the socket: for a flow
    /// that must not hold more of a fast peer's bytes than one chunk, such as a proxy's. To be called before the
    /// first read, in the flow that reads.
    ///
    /// Only `uring` receives ahead: as much as the socket has at a connection's first read, then a chunk. On
    /// demand, each read costs it a system call more. With other drivers nothing changes.
    ///
    /// ```
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let chunk = Model::Tasks.run(async {
    ///     there.receive_on_demand();
    ///     here.write_all(b"hello").await?;
    ///     there.recv().await
    /// })??;
    /// assert_eq!(&*chunk, b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn receive_on_demand(&self) {
        self.0.receive_on_demand();
    }
}

/// The descriptor. Bytes must be read through the stream, because a completion driver may have received
/// them already, and a read of the descriptor would not find them.
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
