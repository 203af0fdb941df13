//! Sources: descriptors, and the operations that sockets are made of.
//!
//! An operation is asked for here and waited for in the way of the flow it finds itself in. What
//! flows see is the operation's result, never readiness, so that a driver that answers "what is
//! done?" can do it in its own way:
//!
//! ```text
//!             poll_recv, poll_send, poll_accept, poll_ready
//!                              │
//!         ┌────────────────────┼─────────────────────┐
//!   blocking flow         flow on a loop        no flow at all
//!   notes it, and         tries the call,       makes the call
//!   blocks or waits       waits for the         and waits in it
//!   in poll(2)            driver's event
//! ```

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags};
use rustix::net::RecvFlags;
use switchboard_reactor::{Direction, Loop};

use crate::block::{self, Plan};
use crate::budget;
use crate::calls::{
    Call, Done, Took, accept, is_gone, may_block, recv_flags, send_flags, uninterrupted,
};
use crate::chunk::Chunk;
use crate::home::Inner;

/// A descriptor that flows of any model can wait for. A clone is the same descriptor; it closes with
/// the last.
#[derive(Clone)]
pub struct Source(Arc<Inner>);

impl Source {
    /// Takes a descriptor over.
    pub fn new(fd: OwnedFd) -> Source {
        Source(Arc::new(Inner::new(fd)))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Receives into a chunk of the thread's pool; an empty chunk is the end of input.
    ///
    /// A wait that is given up loses no byte: nothing is received before the flow is there to take it.
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.operate(context, Direction::Read, |fd, flags| {
            let mut chunk = Chunk::empty();
            let (_, length) = rustix::net::recv(fd, chunk.space(), recv_flags(flags))?;
            let short = length < chunk.space().len();
            chunk.set_len(length);
            let took = Took {
                bytes: length,
                short,
            };
            Ok((chunk, took))
        })
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
        self.operate(context, Direction::Read, |fd, flags| {
            let (_, length) = rustix::net::recv(fd, &mut *buffer, recv_flags(flags))?;
            Ok((
                length,
                Took {
                    bytes: length,
                    short: length < buffer.len(),
                },
            ))
        })
    }

    /// Sends what there is room for.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.operate(context, Direction::Write, |fd, flags| {
            let length = rustix::net::send(fd, bytes, send_flags(flags))?;
            Ok((
                length,
                Took {
                    bytes: length,
                    short: length < bytes.len(),
                },
            ))
        })
    }

    /// Receives the out-of-band byte once there is one.
    pub fn poll_urgent(&self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        self.operate(context, Direction::Priority, |fd, _| {
            let mut byte = [0];
            let flags = RecvFlags::OOB | RecvFlags::DONTWAIT;
            match rustix::net::recv(fd, &mut byte, flags) {
                Ok((_, 1)) => Ok((
                    byte[0],
                    Took {
                        bytes: 1,
                        short: true,
                    },
                )),
                // Linux says so while no urgent byte is on its way.
                Ok(_) | Err(rustix::io::Errno::INVAL) => Err(match is_gone(fd) {
                    // None will come, and poll(2) would say so for ever.
                    true => io::ErrorKind::ConnectionAborted.into(),
                    false => io::ErrorKind::WouldBlock.into(),
                }),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Accepts one connection. The listener must be non-blocking, because who is first in line may
    /// be gone before the call.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        self.operate(context, Direction::Read, |fd, _| {
            let fd = accept(fd)?;
            Ok((
                fd,
                Took {
                    bytes: 0,
                    short: false,
                },
            ))
        })
    }

    /// Receives as the standard library would: blocks the thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, whose loop it would hold; the system's otherwise.
    pub fn block_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        may_block("make a blocking read")?;
        let received = self.insist(Direction::Read, &mut |fd, flags| {
            let (_, bytes) = rustix::net::recv(fd, &mut *buffer, recv_flags(flags))?;
            Ok((bytes, Took { bytes, short: true }))
        });
        received.map(|(bytes, _)| bytes)
    }

    /// Sends as the standard library would: blocks the thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, whose loop it would hold; the system's otherwise.
    pub fn block_write(&self, buffer: &[u8]) -> io::Result<usize> {
        may_block("make a blocking write")?;
        let sent = self.insist(Direction::Write, &mut |fd, flags| {
            let bytes = rustix::net::send(fd, buffer, send_flags(flags))?;
            Ok((bytes, Took { bytes, short: true }))
        });
        sent.map(|(bytes, _)| bytes)
    }

    /// Waits until a call in this direction would not wait. A regular file is always ready.
    pub fn poll_ready(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        let flags = match direction {
            Direction::Read => PollFlags::IN,
            Direction::Write => PollFlags::OUT,
            Direction::Priority => PollFlags::PRI,
        };
        self.operate(context, direction, |fd, _| {
            let mut fds = [PollFd::new(&fd, flags)];
            let zero = rustix::event::Timespec::default();
            match rustix::event::poll(&mut fds, Some(&zero))? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok((
                    (),
                    Took {
                        bytes: 0,
                        short: false,
                    },
                )),
            }
        })
    }

    /// Waits until a call in `direction` would not wait; see [`poll_ready`](Source::poll_ready).
    ///
    /// # Errors
    /// Those of registering the descriptor.
    pub async fn ready(&self, direction: Direction) -> io::Result<()> {
        let poll = |context: &mut Context<'_>| self.poll_ready(context, direction);
        self.operation(direction, poll).await
    }

    fn operate<R>(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
        mut call: impl FnMut(BorrowedFd<'_>, bool) -> Done<R>,
    ) -> Poll<io::Result<R>> {
        let blocking = block::with(|blocker| {
            let blocker = blocker?;
            let plan = blocker.plan(&self.0, direction, context.waker());
            if plan == Plan::Pending {
                return Some(Poll::Pending);
            }
            let result = match plan {
                Plan::Block => self.insist(direction, &mut call),
                _ => uninterrupted(|| call(self.as_fd(), false)),
            };
            Some(match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    blocker.note(&self.0, direction, context.waker());
                    Poll::Pending
                }
                result => Poll::Ready(result.map(|(value, _)| value)),
            })
        });
        if let Some(poll) = blocking {
            return poll;
        }
        Loop::with_current(move |lp| match lp {
            Some(lp) => self.operate_on(lp, context, direction, call),
            None => Poll::Ready(self.insist(direction, &mut call).map(|(value, _)| value)),
        })
    }

    /// Makes the call and waits in it; in poll(2) before it where the descriptor is non-blocking.
    fn insist<R>(&self, direction: Direction, call: Call<'_, R>) -> Done<R> {
        let flags = match direction {
            Direction::Read => PollFlags::IN,
            Direction::Write => PollFlags::OUT,
            Direction::Priority => PollFlags::PRI,
        };
        loop {
            match uninterrupted(|| call(self.as_fd(), true)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(self, flags)];
                    let _ = rustix::event::poll(&mut fds, None);
                }
                result => return result,
            }
        }
    }

    fn operate_on<R>(
        &self,
        lp: &Loop,
        context: &mut Context<'_>,
        direction: Direction,
        mut call: impl FnMut(BorrowedFd<'_>, bool) -> Done<R>,
    ) -> Poll<io::Result<R>> {
        if budget::check(context).is_pending() {
            return Poll::Pending;
        }
        let mut slot = self.0.slot(lp);
        if slot.is_none_or(|slot| lp.is_ready(slot, direction)) {
            match uninterrupted(|| call(self.as_fd(), false)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let slot = *slot.get_or_insert_with(|| self.0.settle(lp));
                    lp.drained(slot, direction, true);
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok((value, took)) => {
                    // Zero bytes are the end, which every further read finds again.
                    if let Some(slot) = slot.filter(|_| took.short && took.bytes > 0) {
                        lp.drained(slot, direction, false);
                    }
                    budget::charge(took.bytes);
                    return Poll::Ready(Ok(value));
                }
            }
        }
        let slot = slot.unwrap_or_else(|| self.0.settle(lp));
        match lp.wait_for(slot, self.as_fd(), direction, context.waker()) {
            Ok(()) => Poll::Pending,
            // A regular file can't be waited for and needs no waiting.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error()) => {
                Poll::Ready(uninterrupted(|| call(self.as_fd(), true)).map(|(value, _)| value))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
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
