//! A registration: a descriptor, and a state machine for each of its directions.
//!
//! READY means that a call may succeed at once:
//!
//! ```text
//!             event                       event: the waiters are woken
//!        ┌──────────────►  READY  ◄────────────────────┐
//!        │                    │ a call would block     │
//!        │                    ▼ or was short           │
//!        └──────────────  NOT READY ── wait ────►  WAITING
//! ```
//!
//! A registration is ready at first, so that the first call is always made.

mod driver;

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::Waker;

use switchboard_driver::{Interest, Mode, Token};

use super::Registration;
use super::waiters::{Direction, FdCallback, Fired, Waiters};
use crate::event_loop::task::id::TaskId;
use crate::hooks::Name;

/// The state of a registration, which fits in half a cache line.
pub(crate) struct Entry {
    pub(super) fd: RawFd,
    pub(super) generation: u32,
    /// The interest and mode that are registered with the driver, if any.
    registered: Option<(Interest, Mode)>,
    ready: Interest,
    /// The directions that stay ready after a short transfer, because the peer has closed, or because a read
    /// is short before out-of-band data.
    sticky: Interest,
    /// The task that waits to read; other waiters are in `rare`.
    reader: Option<TaskId>,
    rare: Option<Box<Rare>>,
}

/// The parts of a registration that an idle connection does not have.
#[derive(Default)]
struct Rare {
    read: Waiters,
    write: Waiters,
    priority: Waiters,
    /// The descriptor and direction of the callback, if there is one.
    watched: Option<(RawFd, Direction)>,
    /// The duplicate whose number `fd` is, if another callback has registered the descriptor itself.
    duplicate: Option<OwnedFd>,
}

impl Rare {
    /// Returns whether anybody waits here, or a callback is set.
    fn is_in_use(&self) -> bool {
        let waiters = [&self.read, &self.write, &self.priority];
        self.watched.is_some() || waiters.into_iter().any(Waiters::is_waiting)
    }

    fn waiters(&mut self, direction: Direction) -> &mut Waiters {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
            Direction::Priority => &mut self.priority,
        }
    }
}

impl Entry {
    pub(super) fn new(fd: BorrowedFd<'_>, generation: u32) -> Entry {
        Entry {
            fd: fd.as_raw_fd(),
            generation,
            registered: None,
            ready: Interest::READ | Interest::WRITE,
            sticky: Interest::NONE,
            reader: None,
            rare: None,
        }
    }

    /// Returns the descriptor and token for the driver.
    #[inline]
    pub(crate) fn at<'a>(&self, registration: Registration, fd: BorrowedFd<'a>) -> At<'a> {
        let token = super::token(registration, self.generation);
        At { fd, token }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Adds a waker for the next event in `direction`.
    #[inline]
    pub(crate) fn add_waiter(&mut self, direction: Direction, waker: &Waker) {
        if direction == Direction::Read
            && let Some(task) = TaskId::of(waker)
            && self.reader.is_none_or(|reader| reader == task)
        {
            self.reader = Some(task);
            return;
        }
        self.add_rare_waiter(direction, waker);
    }

    #[cold]
    fn add_rare_waiter(&mut self, direction: Direction, waker: &Waker) {
        self.rare().waiters(direction).add(waker);
    }

    /// Removes a waker that [`add_waiter`](Entry::add_waiter) added.
    fn remove_waiter(&mut self, direction: Direction, waker: &Waker) {
        let task = TaskId::of(waker);
        if direction == Direction::Read && task.is_some() && self.reader == task {
            self.reader = None;
        } else if let Some(rare) = &mut self.rare {
            rare.waiters(direction).remove(waker);
        }
    }

    /// Returns the number of wakers that wait for `direction`.
    pub(super) fn waiting(&mut self, direction: Direction) -> usize {
        let reader = direction == Direction::Read && self.reader.is_some();
        let rare = self.rare.as_mut();
        usize::from(reader) + rare.map_or(0, |rare| rare.waiters(direction).len())
    }

    /// Returns whether a waker waits for any direction.
    pub(crate) fn has_waiters(&mut self) -> bool {
        Direction::ALL
            .into_iter()
            .any(|direction| self.waiting(direction) > 0)
    }

    /// Returns whether a waker or a callback waits for `direction`.
    fn is_waiting(&mut self, direction: Direction) -> bool {
        (direction == Direction::Read && self.reader.is_some())
            || (self.rare.as_mut()).is_some_and(|rare| rare.waiters(direction).is_waiting())
    }

    /// Moves the wakers of a direction to `fired`, and notes its callback there.
    pub(super) fn take_waiters(&mut self, direction: Direction, fired: &mut Fired) {
        if direction == Direction::Read
            && let Some(task) = self.reader.take()
        {
            fired.wakers.push(task.waker());
        }
        if let Some(rare) = &mut self.rare
            && rare.waiters(direction).take(&mut fired.wakers)
        {
            fired.callbacks |= direction.interest();
        }
    }

    pub(super) fn watched(&self) -> Option<(RawFd, Direction)> {
        self.rare.as_ref()?.watched
    }

    pub(super) fn is_duplicate(&self) -> bool {
        self.rare
            .as_ref()
            .is_some_and(|rare| rare.duplicate.is_some())
    }

    pub(super) fn set_callback(
        &mut self,
        watched: (RawFd, Direction),
        callback: (FdCallback, Name),
    ) {
        let rare = self.rare();
        rare.waiters(watched.1).set_callback(callback);
        rare.watched = Some(watched);
    }

    pub(super) fn set_duplicate(&mut self, duplicate: Option<OwnedFd>) {
        self.rare().duplicate = duplicate;
    }

    pub(super) fn callback(&mut self, direction: Direction) -> Option<(FdCallback, Name)> {
        self.rare.as_mut()?.waiters(direction).callback().cloned()
    }

    pub(super) fn is_registered(&self) -> bool {
        self.registered.is_some()
    }

    /// Records that the driver has forgotten the descriptor.
    pub(super) fn forget_registered(&mut self) {
        self.registered = None;
    }

    #[inline]
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.ready.contains(direction.interest())
    }

    /// Records that a call would have blocked.
    pub(crate) fn would_block(&mut self, direction: Direction) {
        self.sticky = self.sticky.without(direction.interest());
        self.ready = self.ready.without(direction.interest());
    }

    /// Records that a call was short: the direction is not ready until the next event.
    #[inline]
    pub(crate) fn drained(&mut self, direction: Direction) {
        self.ready = self
            .ready
            .without(direction.interest().without(self.sticky));
    }
}

/// The descriptor of a registration, and the token that its events carry.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) token: Token,
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn two_entries_share_a_cache_line() {
        assert!(size_of::<Entry>() <= 32);
    }
}
