//! Operations as futures, which take back what they noted when they are dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard_reactor::{Direction, Loop};

use crate::blocking;
use crate::io::source::Source;

/// One operation of a [`Source`]: polled until it is done.
///
/// Dropped before that, it is forgotten by the flow that would have waited for it. (Left alone, the
/// note would keep the descriptor open for as long as that flow waits for something else.)
#[must_use = "a future does nothing unless it is awaited"]
pub struct Operation<'a, F> {
    source: &'a Source,
    direction: Direction,
    poll: F,
    pending: bool,
}

impl Source {
    /// `poll`, one of this source's operations in `direction`, as a future.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use switchboard_runtime::{Direction, Driver, Model, Source};
    ///
    /// let (mut there, here) = UnixStream::pair()?;
    /// std::io::Write::write_all(&mut there, b"hello")?;
    /// let source = Source::new(here.into());
    /// let recv = source.operation(Direction::Read, |context| source.poll_recv(context));
    /// assert_eq!(&*Model::Threads.run(Driver::best(), recv)??, b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn operation<T, F>(&self, direction: Direction, poll: F) -> Operation<'_, F>
    where
        F: FnMut(&mut Context<'_>) -> Poll<T>,
    {
        Operation {
            source: self,
            direction,
            poll,
            pending: false,
        }
    }
}

// The closure is called through a plain reference; nothing in here is pinned.
impl<F> Unpin for Operation<'_, F> {}

impl<T, F: FnMut(&mut Context<'_>) -> Poll<T>> Future for Operation<'_, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let polled = (self.poll)(context);
        self.pending = polled.is_pending();
        polled
    }
}

impl<F> Drop for Operation<'_, F> {
    fn drop(&mut self) {
        if self.pending {
            self.source.give_up(self.direction);
        }
    }
}

impl Source {
    /// Says that nobody waits for an operation any more.
    pub(crate) fn give_up(&self, direction: Direction) {
        let inner = self.inner();
        let blocking = blocking::with(|blocker| {
            let Some(blocker) = blocker else { return false };
            blocker.forget(inner, direction);
            true
        });
        if !blocking {
            Loop::with_current(|lp| {
                let lp = lp?;
                lp.abandon(inner.slot(lp)?, direction);
                Some(())
            });
        }
    }
}
