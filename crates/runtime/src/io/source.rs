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
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use rustix::event::PollFd;
use switchboard_driver::{Chunk, Request};
use switchboard_reactor::{Direction, Loop, Slot};

use crate::blocking::{self, Plan};
use crate::green;
use crate::io::ask::{self, Ask};
use crate::io::budget;
use crate::io::calls::{Done, may_wait, uninterrupted};
use crate::io::home::Inner;

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
    /// A wait that is given up loses no byte: what has come is there for whoever asks next.
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.operate(context, ask::Recv)
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
        self.operate(context, ask::Read(buffer))
    }

    /// Sends what there is room for.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.operate(context, ask::Send(bytes))
    }

    /// Receives the out-of-band byte once there is one.
    pub fn poll_urgent(&self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        self.operate(context, ask::Urgent)
    }

    /// Accepts one connection, and returns its peer's address if that is an IP address and the system
    /// call told it: a completion driver (io_uring) does not. The listener must be non-blocking, because
    /// the connection that made it ready may be gone before the call.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, Option<SocketAddr>)>> {
        self.operate(context, ask::Accept)
    }

    /// Receives as the standard library would: blocks the thread, or the green thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, whose loop it would hold; the system's otherwise.
    pub fn block_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if green::may_park() {
            return green::block_on(poll_fn(|context| self.poll_read(context, buffer)))?;
        }
        may_wait("make a blocking read")?;
        self.insist(&mut ask::Read(buffer))
    }

    /// Sends as the standard library would: blocks the thread, or the green thread.
    ///
    /// # Errors
    /// `Unsupported` in a task, whose loop it would hold; the system's otherwise.
    pub fn block_write(&self, buffer: &[u8]) -> io::Result<usize> {
        if green::may_park() {
            return green::block_on(poll_fn(|context| self.poll_send(context, buffer)))?;
        }
        may_wait("make a blocking write")?;
        self.insist(&mut ask::Send(buffer))
    }

    /// Waits until a call in this direction would not wait. A regular file is always ready.
    pub fn poll_ready(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        self.operate(context, ask::Ready(direction))
    }

    /// Waits until a call in `direction` would not wait; see [`poll_ready`](Source::poll_ready).
    ///
    /// # Errors
    /// Those of registering the descriptor.
    pub async fn ready(&self, direction: Direction) -> io::Result<()> {
        let poll = |context: &mut Context<'_>| self.poll_ready(context, direction);
        self.operation(direction, poll).await
    }

    fn operate<A: Ask>(
        &self,
        context: &mut Context<'_>,
        mut ask: A,
    ) -> Poll<io::Result<A::Answer>> {
        let blocking = blocking::with(|blocker| {
            let blocker = blocker?;
            if let Some(poll) = self.elsewhere(None, context.waker(), &mut ask) {
                return Some(poll);
            }
            let direction = ask.direction();
            let plan = blocker.plan(&self.0, direction, context.waker());
            let result = match plan {
                Plan::Pending => return Some(Poll::Pending),
                Plan::Block => self.block(&mut ask),
                Plan::Try => uninterrupted(|| ask.call(self.as_fd(), false)),
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
        Loop::with_current(|lp| match lp {
            Some(lp) => match self.elsewhere(Some(lp.id()), context.waker(), &mut ask) {
                Some(poll) => poll,
                None if lp.completes() => self.complete_on(lp, context, ask),
                None => self.operate_on(lp, context, ask),
            },
            None => Poll::Ready(self.insist(&mut ask)),
        })
    }

    /// What is to be had without asking the system: what had come while the source was with a loop
    /// that said so. While it is there still, the flow waits until it is here.
    fn elsewhere<A: Ask>(
        &self,
        here: Option<u32>,
        waker: &Waker,
        ask: &mut A,
    ) -> Option<Poll<io::Result<A::Answer>>> {
        if here.is_none() && ask.expect() == Some(Request::Writable) {
            // Sending needs nothing of what has come.
            return None;
        }
        if self.0.reach(here, waker).is_pending() {
            return Some(Poll::Pending);
        }
        let taken = self.0.kept(|left| match ask.take(left) {
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            taken => taken,
        });
        taken.map(|taken| Poll::Ready(taken.map(|(value, _)| value)))
    }

    /// Blocks this thread until there is an answer.
    fn insist<A: Ask>(&self, ask: &mut A) -> io::Result<A::Answer> {
        loop {
            match self.elsewhere(None, &Waker::from(Unpark::this()), ask) {
                Some(Poll::Ready(result)) => return result,
                Some(Poll::Pending) => std::thread::park(),
                None => return self.block(ask).map(|(value, _)| value),
            }
        }
    }

    /// Makes the call and waits in it; in poll(2) before it where the descriptor is non-blocking.
    fn block<A: Ask>(&self, ask: &mut A) -> Done<A::Answer> {
        loop {
            match uninterrupted(|| ask.call(self.as_fd(), true)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(self, ask::flags(ask.direction()))];
                    let _ = rustix::event::poll(&mut fds, None);
                }
                result => return result,
            }
        }
    }

    fn operate_on<A: Ask>(
        &self,
        lp: &Loop,
        context: &mut Context<'_>,
        mut ask: A,
    ) -> Poll<io::Result<A::Answer>> {
        if budget::check(context).is_pending() {
            return Poll::Pending;
        }
        let direction = ask.direction();
        let mut slot = self.0.slot(lp);
        if slot.is_none_or(|slot| lp.is_ready(slot, direction)) {
            match uninterrupted(|| ask.call(self.as_fd(), false)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    slot = slot.or_else(|| self.0.settle(lp));
                    if let Some(slot) = slot {
                        lp.drained(slot, direction, true);
                    }
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
        let Some(slot) = slot.or_else(|| self.0.settle(lp)) else {
            return retry(context);
        };
        match lp.wait_for(slot, self.as_fd(), direction, context.waker()) {
            Ok(()) => Poll::Pending,
            // A regular file can't be waited for and needs no waiting.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error()) => {
                Poll::Ready(uninterrupted(|| ask.call(self.as_fd(), true)).map(|(value, _)| value))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// As [`operate_on`](Source::operate_on), where the driver does what is asked by itself.
    fn complete_on<A: Ask>(
        &self,
        lp: &Loop,
        context: &mut Context<'_>,
        mut ask: A,
    ) -> Poll<io::Result<A::Answer>> {
        let direction = ask.direction();
        let slot = match self.0.slot(lp) {
            Some(slot) => slot,
            None => {
                let Some(slot) = self.0.settle(lp) else {
                    return retry(context);
                };
                // What is there already is to be had without a turn of the loop.
                match uninterrupted(|| ask.call(self.as_fd(), false)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot,
                    result => return Poll::Ready(result.map(|(value, _)| value)),
                }
            }
        };
        let what = match ask.expect() {
            Some(what) => what,
            None => {
                let mut there = None;
                lp.inbox(slot, &mut |inbox| there = ask.take(inbox));
                match there {
                    Some(result) => return Poll::Ready(result.map(|(value, _)| value)),
                    // What comes is taken from the system as soon as it does.
                    None if direction == Direction::Read && lp.expects(slot) => Request::Bytes,
                    None => return self.operate_on(lp, context, ask),
                }
            }
        };
        if budget::check(context).is_pending() {
            return Poll::Pending;
        }
        if lp.is_ready(slot, direction) {
            match self.completed(lp, slot, &mut ask) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    lp.drained(slot, direction, true);
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok((value, took)) => {
                    if took.short {
                        lp.drained(slot, direction, false);
                    }
                    budget::charge(took.bytes);
                    return Poll::Ready(Ok(value));
                }
            }
        }
        match lp.wait_done(slot, self.as_fd(), direction, what, context.waker()) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// What the driver has done, or what the system does at once.
    fn completed<A: Ask>(&self, lp: &Loop, slot: Slot, ask: &mut A) -> Done<A::Answer> {
        let what = ask.expect();
        if what != Some(Request::Writable) {
            let mut taken = None;
            lp.inbox(slot, &mut |inbox| taken = ask.take(inbox));
            match taken {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Some(taken) => return taken,
                None => {}
            }
        }
        match what {
            // Bytes go to the driver first, as long as it expects them.
            Some(Request::Bytes) if lp.expects(slot) => Err(io::ErrorKind::WouldBlock.into()),
            _ => uninterrupted(|| ask.call(self.as_fd(), false)),
        }
    }
}

/// Has the flow polled again: another loop was faster.
fn retry<T>(context: &mut Context<'_>) -> Poll<T> {
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Wakes a thread that is no flow.
struct Unpark(Thread);

impl Unpark {
    fn this() -> Arc<Unpark> {
        Arc::new(Unpark(std::thread::current()))
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
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
