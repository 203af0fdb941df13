//! Sources: descriptors that flows of any model use.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use switchboard_driver::Chunk;
use switchboard_reactor::plumbing::{Descriptor, Sockets};
use switchboard_reactor::{Activity, Direction, Loop};

use super::machine;
use super::ops::{Accept, Read, Ready, Recv, Send, Urgent};
use super::syscalls::is_gone;
use crate::{blocking, green};

/// A descriptor that flows of any model use. A clone is the same descriptor, which is closed with the last
/// clone.
///
/// Each `poll_` method is an operation. It returns its result, or `Pending` until the flow that polls it
/// has waited in its model's way; [outside of any flow](crate#outside-of-any-flow) it is refused. Polling
/// it again later, or never, loses no byte: what was received stays for the next operation.
/// [`operation`](Source::operation) makes a future of it, which ends the wait when it is dropped.
///
/// The errors are those of the system call, and those of registering the descriptor with the loop's driver;
/// `Unsupported` outside of any flow.
///
/// ```
/// use std::future::poll_fn;
/// use std::os::unix::net::UnixStream;
/// use switchboard_runtime::{Model, Source};
///
/// let (there, here) = UnixStream::pair()?;
/// let (there, here) = (Source::new(there.into()), Source::new(here.into()));
/// for model in [Model::Tasks, Model::Threads] {
///     let chunk = model.run(async {
///         poll_fn(|context| there.poll_send(context, b"hello")).await?;
///         poll_fn(|context| here.poll_recv(context)).await
///     })??;
///     assert_eq!(&*chunk, b"hello");
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Source(Arc<Descriptor>);

impl Source {
    /// Returns a source that owns `fd`.
    pub fn new(fd: OwnedFd) -> Source {
        Source(Arc::new(Descriptor::new(fd)))
    }

    /// Has the operations of this source and of its later clones noted in `activity`. Returns whether it
    /// does: not if there is a clone already.
    pub fn observe(&mut self, activity: Arc<Activity>) -> bool {
        match Arc::get_mut(&mut self.0) {
            Some(descriptor) => {
                descriptor.observe(activity);
                true
            }
            None => false,
        }
    }

    /// Returns a handle that does not keep the descriptor open.
    pub fn downgrade(&self) -> WeakSource {
        WeakSource(Arc::downgrade(&self.0))
    }

    /// Returns whether `other` is a clone of this source.
    pub fn is_same(&self, other: &Source) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns whether a system call that reads from the descriptor finds the bytes that come next: no
    /// completion driver has received them, or receives for the flow that calls this.
    pub fn reads_directly(&self) -> bool {
        let completes = || Loop::with_current(|lp| lp.map(Sockets::completes));
        !self.0.may_have_completions() && (blocking::is_blocking() || !completes().unwrap_or(false))
    }

    /// Sets the address for which the peer speaks, as a proxy does; only the first one is kept.
    pub fn set_peer(&self, peer: SocketAddr) {
        self.0.set_peer(peer);
    }

    /// Returns the address for which the peer speaks, if it does.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer()
    }

    pub(crate) fn descriptor(&self) -> &Arc<Descriptor> {
        &self.0
    }

    /// Receives into a chunk of this thread's pool. An empty chunk is the end of input.
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        machine::poll(&self.0, context, Recv(usize::MAX))
    }

    /// Receives as [`poll_recv`](Source::poll_recv) does, but `most` bytes at most, so that no more of the chunk's
    /// pages are touched. What a completion driver has received ahead comes as a whole.
    pub fn poll_recv_at_most(
        &self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<Chunk>> {
        machine::poll(&self.0, context, Recv(most.max(1)))
    }

    /// Receives into `buffer` and returns the number of bytes; 0 is the end of input.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        machine::poll(&self.0, context, Read(buffer))
    }

    /// Sends as many of `bytes` as the socket takes without waiting, and returns their number.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        machine::poll(&self.0, context, Send(bytes))
    }

    /// Receives the out-of-band byte once there is one.
    pub fn poll_urgent(&self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        machine::poll(&self.0, context, Urgent)
    }

    /// Accepts one connection. The peer's address is `None` if a completion driver (io_uring) accepted the
    /// connection, and if the address is not an IP address.
    ///
    /// The listener must be non-blocking, because the connection that made it ready may be gone before the
    /// call.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, Option<SocketAddr>)>> {
        machine::poll(&self.0, context, Accept)
    }

    /// Ends the accept of a dropped [`poll_accept`](Source::poll_accept), and returns the connection that a
    /// completion driver has accepted for it all the same. To be polled until it returns `None`, before a
    /// listener is closed whose queue another process goes on with.
    pub fn poll_last_accept(&self, context: &mut Context<'_>) -> Poll<Option<OwnedFd>> {
        machine::poll_last_accept(&self.0, context)
    }

    /// Returns whether the connection is broken, or closed in both directions. Does not wait.
    ///
    /// A peer that has shut down only its sending side can still be sent to: the connection is not hung up.
    ///
    /// ```
    /// use std::net::Shutdown;
    /// use std::os::unix::net::UnixStream;
    /// use switchboard_runtime::Source;
    ///
    /// let (there, here) = UnixStream::pair()?;
    /// let here = Source::new(here.into());
    /// there.shutdown(Shutdown::Write)?;
    /// assert!(!here.is_hung_up());
    /// drop(there);
    /// assert!(here.is_hung_up());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_hung_up(&self) -> bool {
        is_gone(self.as_fd())
    }

    /// Returns how many sent bytes of a stream socket its peer has not acknowledged. Does not wait.
    ///
    /// # Errors
    /// `Unsupported` on systems other than Linux; the system's.
    pub fn unacknowledged(&self) -> io::Result<usize> {
        switchboard_driver::unacknowledged(self.as_fd())
    }

    /// Receives into `buffer` as [`std::io::Read::read`] does: suspends the green thread, or blocks the
    /// thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, because it would block the loop; the system's otherwise.
    pub fn block_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if green::can_suspend() {
            return green::block_on(poll_fn(|context| self.poll_read(context, buffer)))?;
        }
        green::check_may_block("make a blocking read")?;
        machine::block_thread(&self.0, &mut Read(buffer))
    }

    /// Sends some of `buffer` as [`std::io::Write::write`] does: suspends the green thread, or blocks the
    /// thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, because it would block the loop; the system's otherwise.
    pub fn block_write(&self, buffer: &[u8]) -> io::Result<usize> {
        if green::can_suspend() {
            return green::block_on(poll_fn(|context| self.poll_send(context, buffer)))?;
        }
        green::check_may_block("make a blocking write")?;
        machine::block_thread(&self.0, &mut Send(buffer))
    }

    /// Waits until a system call in `direction` would not block. A regular file is always ready.
    pub fn poll_ready(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        machine::poll(&self.0, context, Ready(direction))
    }

    /// Waits as [`poll_ready`](Source::poll_ready) does. Dropping the future ends the wait.
    ///
    /// # Errors
    /// Those of registering the descriptor with the loop's driver.
    ///
    /// ```
    /// use switchboard_runtime::{Direction, Model, Source};
    ///
    /// let (_there, here) = std::os::unix::net::UnixStream::pair()?;
    /// Model::Tasks.run(Source::new(here.into()).ready(Direction::Write))??;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn ready(&self, direction: Direction) -> io::Result<()> {
        let poll = |context: &mut Context<'_>| self.poll_ready(context, direction);
        self.operation(direction, poll).await
    }
}

/// A handle of a [`Source`] that does not keep its descriptor open.
///
/// ```
/// use switchboard_runtime::Source;
///
/// let (_there, here) = std::os::unix::net::UnixStream::pair()?;
/// let source = Source::new(here.into());
/// let weak = source.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(source);
/// assert!(weak.upgrade().is_none());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct WeakSource(Weak<Descriptor>);

impl WeakSource {
    /// Returns the source, unless its last clone was dropped and the descriptor is closed.
    pub fn upgrade(&self) -> Option<Source> {
        self.0.upgrade().map(Source)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }
}

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.as_raw_fd())
    }
}
