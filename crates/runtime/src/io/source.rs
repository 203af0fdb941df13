//! Sources: descriptors that flows of any model can use.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use switchboard_driver::Chunk;
use switchboard_reactor::Direction;
use switchboard_reactor::plumbing::Descriptor;

use super::machine;
use super::ops::{Accept, Read, Ready, Recv, Send, Urgent};
use crate::green;

/// A descriptor that flows of any model can wait for. A clone is the same descriptor, which closes with
/// the last clone.
///
/// Each operation is carried out in the way of the flow that polls it, so that flows see results and never
/// readiness. An operation that is given up loses no byte: what has come is there for whoever asks next.
#[derive(Clone)]
pub struct Source(Arc<Descriptor>);

impl Source {
    /// Takes a descriptor over.
    pub fn new(fd: OwnedFd) -> Source {
        Source(Arc::new(Descriptor::new(fd)))
    }

    pub(crate) fn descriptor(&self) -> &Arc<Descriptor> {
        &self.0
    }

    /// Receives into a chunk of the thread's pool; an empty chunk is the end of input.
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        machine::poll(&self.0, context, Recv)
    }

    /// Receives into `buffer`; zero bytes are the end of input.
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

    /// Sends what there is room for.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        machine::poll(&self.0, context, Send(bytes))
    }

    /// Receives the out-of-band byte once there is one.
    pub fn poll_urgent(&self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        machine::poll(&self.0, context, Urgent)
    }

    /// Accepts one connection. The peer's address is `None` if a completion driver (io_uring) accepted it,
    /// and if it is not an IP address. The listener must be non-blocking, because the connection that made
    /// it ready may be gone before the call.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, Option<SocketAddr>)>> {
        machine::poll(&self.0, context, Accept)
    }

    /// Receives as the standard library would: blocks the thread, or the green thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, whose loop it would hold; the system's otherwise.
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

    /// Sends as the standard library would: blocks the thread, or the green thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, whose loop it would hold; the system's otherwise.
    pub fn block_write(&self, buffer: &[u8]) -> io::Result<usize> {
        if green::can_suspend() {
            return green::block_on(poll_fn(|context| self.poll_send(context, buffer)))?;
        }
        green::check_may_block("make a blocking write")?;
        machine::block_thread(&self.0, &mut Send(buffer))
    }

    /// Waits until a call in this direction would not wait. A regular file is always ready.
    pub fn poll_ready(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        machine::poll(&self.0, context, Ready(direction))
    }

    /// Waits until a call in `direction` would not wait; see [`poll_ready`](Source::poll_ready).
    ///
    /// # Errors
    /// Those of registering the descriptor.
    pub async fn ready(&self, direction: Direction) -> io::Result<()> {
        let poll = |context: &mut Context<'_>| self.poll_ready(context, direction);
        self.operation(direction, poll).await
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
