//! Operations as futures.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{Direction, Loop};

use super::machine;
use super::source::Source;
use crate::blocking;

/// A future of one operation on a [`Source`].
///
/// Dropping the future ends the wait, so that a flow which waits for something else does not keep the
/// descriptor open.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Direction, Model, Source};
///
/// let (_there, here) = UnixStream::pair()?;
/// let source = Source::new(here.into());
/// let late = Model::Tasks.run(async {
///     let recv = source.operation(Direction::Read, |context| source.poll_recv(context));
///     runtime::timeout(Duration::from_millis(1), recv).await
/// })?;
/// assert!(late.is_err());
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct OperationFuture<'a, F> {
    source: &'a Source,
    direction: Direction,
    poll: F,
    pending: bool,
}

impl Source {
    /// Returns a future of the operation that `poll` polls; `direction` is that of the operation.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use switchboard_runtime::{Direction, Model, Source};
    ///
    /// let (mut there, here) = UnixStream::pair()?;
    /// std::io::Write::write_all(&mut there, b"hello")?;
    /// let source = Source::new(here.into());
    /// let recv = source.operation(Direction::Read, |context| source.poll_recv(context));
    /// assert_eq!(&*Model::Threads.run(recv)??, b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn operation<T, F>(&self, direction: Direction, poll: F) -> OperationFuture<'_, F>
    where
        F: FnMut(&mut Context<'_>) -> Poll<T>,
    {
        OperationFuture {
            source: self,
            direction,
            poll,
            pending: false,
        }
    }
}

// The future pins none of its fields.
impl<F> Unpin for OperationFuture<'_, F> {}

impl<T, F: FnMut(&mut Context<'_>) -> Poll<T>> Future for OperationFuture<'_, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let polled = (self.poll)(context);
        self.pending = polled.is_pending();
        polled
    }
}

impl<F> Drop for OperationFuture<'_, F> {
    fn drop(&mut self) {
        if self.pending {
            self.source.end_wait(self.direction);
        }
    }
}

impl Source {
    /// Ends this flow's wait for an operation in `direction`, for futures that poll several operations and are dropped
    /// while they wait. [`operation`](Source::operation) does it for one. Without a wait the call does nothing.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use std::task::{Context, Poll, Waker};
    /// use switchboard_runtime::{Direction, Model, Source};
    ///
    /// let (_there, here) = UnixStream::pair()?;
    /// let source = Source::new(here.into());
    /// Model::Tasks.run(async {
    ///     let mut context = Context::from_waker(Waker::noop());
    ///     assert!(source.poll_recv(&mut context).is_pending());
    ///     source.end_wait(Direction::Read);
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn end_wait(&self, direction: Direction) {
        let descriptor = self.descriptor();
        machine::note_abandoned(descriptor, direction);
        let blocking = blocking::with(|flow| {
            let Some(flow) = flow else { return false };
            flow.cancel_pending(descriptor, direction);
            true
        });
        if !blocking {
            Loop::with_current(|lp| {
                let lp = lp?;
                lp.abandon(descriptor.registered_on(lp)?, direction);
                Some(())
            });
        }
    }
}
