//! The pending operations and the timers of a blocking flow.

use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Instant;

use switchboard_reactor::plumbing::Descriptor;
use switchboard_reactor::{Direction, TimerKey};

use super::BlockingFlow;

/// An operation that a blocking flow's future waits for.
pub(super) struct PendingOperation {
    pub(super) source: Weak<Descriptor>,
    pub(super) direction: Direction,
    /// The waker that the operation was polled with; `None` for the flow's own.
    pub(super) waker: Option<Waker>,
    /// Whether the flow waits for the operation. The wait ends when the descriptor is ready or the
    /// operation's future is dropped. The entry stays, so that the operation is tried at once when it is
    /// polled again; without it, a branch that is dropped each time another one is ready would never
    /// be tried.
    pub(super) waiting: bool,
}

impl PendingOperation {
    pub(super) fn is(&self, source: &Arc<Descriptor>, direction: Direction) -> bool {
        self.direction == direction && std::ptr::eq(self.source.as_ptr(), Arc::as_ptr(source))
    }

    /// Returns whether the operation was polled with `waker`. Two branches may wait for one direction;
    /// each has an entry of its own.
    fn has_waker(&self, waker: Option<&Waker>) -> bool {
        match (&self.waker, waker) {
            (None, None) => true,
            (Some(a), Some(b)) => a.will_wake(b),
            _ => false,
        }
    }
}

/// The way in which an operation that is polled in a blocking flow is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Make the system call and block in it.
    Blocking,
    /// Make the system call, but do not block in it.
    NonBlocking,
    /// Return `Pending`: the operation is among the flow's pending operations now.
    Later,
}

impl BlockingFlow {
    /// Returns how an operation is carried out now, as the table in the parent module describes.
    pub(crate) fn attempt(
        &self,
        source: &Arc<Descriptor>,
        direction: Direction,
        waker: &Waker,
    ) -> Attempt {
        let mut pending = self.pending.borrow_mut();
        let own = waker.will_wake(&self.waker);
        let foreign = (!own).then_some(waker);
        let position = pending
            .iter()
            .position(|entry| entry.is(source, direction) && entry.has_waker(foreign));
        match position {
            Some(at) if own && pending[at].waiting && self.may_block.take() => {
                pending.swap_remove(at);
                Attempt::Blocking
            }
            Some(at) => {
                // The descriptor is ready, or the operation is polled again before the flow waited, as
                // happens beside a branch that is always ready.
                pending.swap_remove(at);
                Attempt::NonBlocking
            }
            // A send rarely blocks, and a combinator's waker means that the flow waits for several
            // operations.
            None if direction == Direction::Write || !own => Attempt::NonBlocking,
            None => {
                drop(pending);
                self.add_pending(source, direction, waker);
                Attempt::Later
            }
        }
    }

    /// Adds an operation that would block to the pending ones.
    pub(crate) fn add_pending(
        &self,
        source: &Arc<Descriptor>,
        direction: Direction,
        waker: &Waker,
    ) {
        // The permission to block was for a future that waits for one operation.
        self.may_block.set(false);
        let waker = self.foreign_waker(waker);
        let mut pending = self.pending.borrow_mut();
        let same = |entry: &&mut PendingOperation| {
            entry.is(source, direction) && entry.has_waker(waker.as_ref())
        };
        match pending.iter_mut().find(same) {
            Some(entry) => entry.waiting = true,
            None => pending.push(PendingOperation {
                source: Arc::downgrade(source),
                direction,
                waker,
                waiting: true,
            }),
        }
    }

    /// Ends the wait for an operation whose future is dropped. Futures of the same descriptor and
    /// direction that remain are polled once more, and add their operations again.
    pub(crate) fn cancel_pending(&self, source: &Arc<Descriptor>, direction: Direction) {
        self.end_waits(|entry| entry.is(source, direction));
    }

    /// Ends the wait for the pending operations that `which` selects, and calls their wakers.
    pub(super) fn end_waits(&self, which: impl Fn(&PendingOperation) -> bool) {
        let mut wakers = Vec::new();
        self.pending.borrow_mut().retain_mut(|entry| {
            if !entry.waiting || !which(entry) {
                return true;
            }
            entry.waiting = false;
            let foreign = entry.waker.take();
            let own = foreign.is_none();
            wakers.push(foreign.unwrap_or_else(|| self.waker.clone()));
            own
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Starts a timer that calls `waker` at `deadline`.
    pub(crate) fn start_timer(&self, deadline: Instant, waker: &Waker) -> TimerKey {
        self.may_block.set(false);
        let waker = self.foreign_waker(waker);
        self.timers.borrow_mut().arm(deadline, waker)
    }

    pub(crate) fn cancel_timer(&self, timer: TimerKey) {
        let waker = self.timers.borrow_mut().cancel(timer);
        // The drop of a foreign waker may run code that uses the timers.
        drop(waker);
    }

    /// Returns a clone of `waker`, or `None` if it is the flow's own.
    fn foreign_waker(&self, waker: &Waker) -> Option<Waker> {
        (!waker.will_wake(&self.waker)).then(|| waker.clone())
    }
}
