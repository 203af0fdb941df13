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

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::Waker;

use switchboard_driver::{Interest, Mode, Poller, Ready, Token};

use super::Registration;
use super::waiters::{Direction, Fired, Waiters, directions};
use crate::event_loop::task::id::TaskId;

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
        callback: (super::waiters::FdCallback, crate::hooks::Name),
    ) {
        let rare = self.rare();
        rare.waiters(watched.1).set_callback(callback);
        rare.watched = Some(watched);
    }

    pub(super) fn set_duplicate(&mut self, duplicate: Option<OwnedFd>) {
        self.rare().duplicate = duplicate;
    }

    pub(super) fn callback(
        &mut self,
        direction: Direction,
    ) -> Option<(super::waiters::FdCallback, crate::hooks::Name)> {
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

    /// Records an event of a registration whose only waiter can be a task that reads, which is the common
    /// case; returns the task to wake. Returns `None`, and changes nothing, in other cases.
    #[inline]
    pub(super) fn fire_reader(
        &mut self,
        event: Ready,
        edge: bool,
        poller: &RefCell<Box<dyn Poller>>,
    ) -> Option<Option<TaskId>> {
        if self.rare.is_some() {
            return None;
        }
        self.make_ready(event);
        let deregistered = !edge && self.deregister_level(&mut **poller.borrow_mut());
        Some(match event.is_readable() || deregistered {
            true => self.reader.take(),
            false => None,
        })
    }

    /// Deregisters a level-triggered descriptor that was reported, because the driver would report it again
    /// in every turn, a hang-up even without interest. Returns whether the descriptor was registered; then
    /// the caller wakes the remaining waiters, which register it again.
    fn deregister_level(&mut self, poller: &mut dyn Poller) -> bool {
        let known = self.registered.take().is_some();
        if known {
            let _ = poller.deregister(self.fd);
        }
        known
    }

    #[inline]
    fn make_ready(&mut self, event: Ready) {
        let ready = directions(event);
        self.ready |= ready;
        if event.intersects(Ready::HANG_UP | Ready::ERROR) {
            self.sticky |= ready;
        }
        if event.intersects(Ready::READ_CLOSED | Ready::PRIORITY) {
            self.sticky |= Interest::READ;
        }
    }

    /// Records an event; returns all its waiters and callbacks.
    pub(super) fn fire(&mut self, event: Ready, edge: bool, poller: &mut dyn Poller) -> Fired {
        let mut fired = Fired::default();
        self.make_ready(event);
        let ready = directions(event);
        for direction in Direction::ALL {
            if ready.contains(direction.interest()) {
                self.take_waiters(direction, &mut fired);
            }
        }
        if !edge && self.watched().is_none() && self.deregister_level(poller) {
            for direction in Direction::ALL {
                if self.is_waiting(direction) {
                    self.take_waiters(direction, &mut fired);
                }
            }
        }
        fired
    }

    /// Adds a waker for the next event in `direction`, and registers the direction with the driver.
    #[inline(always)]
    pub(crate) fn wait(
        &mut self,
        at: At<'_>,
        direction: Direction,
        waker: &Waker,
        edge: bool,
        poller: &RefCell<Box<dyn Poller>>,
    ) -> io::Result<()> {
        self.add_waiter(direction, waker);
        // With edge-triggered events, the direction is registered at the first wait only.
        if let Some((registered, Mode::Edge)) = self.registered
            && registered.contains(direction.interest())
        {
            return Ok(());
        }
        self.register_waiter(at, direction, waker, edge, poller)
    }

    #[cold]
    fn register_waiter(
        &mut self,
        at: At<'_>,
        direction: Direction,
        waker: &Waker,
        edge: bool,
        poller: &RefCell<Box<dyn Poller>>,
    ) -> io::Result<()> {
        let result = self.register(at, edge, &mut **poller.borrow_mut());
        if result.is_err() {
            self.remove_waiter(direction, waker);
        }
        result
    }

    /// Registers the directions that have waiters with the driver.
    pub(super) fn register(
        &mut self,
        at: At<'_>,
        edge: bool,
        poller: &mut dyn Poller,
    ) -> io::Result<()> {
        let mut wanted = Interest::NONE;
        for direction in Direction::ALL {
            if self.is_waiting(direction) {
                wanted |= direction.interest();
            }
        }
        // Callbacks are level-triggered, as in asyncio: they run again until the descriptor is drained.
        let target = if edge && self.watched().is_none() {
            // Edge-triggered events cost nothing while no flow waits, so the interest only grows. It always
            // includes out-of-band data: a read is short before such data, although the socket is not
            // drained.
            let known = self.registered.map_or(Interest::NONE, |(known, _)| known);
            let always = Interest::READ | Interest::PRIORITY;
            (wanted | known | always, Mode::Edge)
        } else {
            (wanted, Mode::Level)
        };
        if self.registered == Some(target) {
            return Ok(());
        }
        if target.0.is_empty() {
            return match self.registered.take() {
                Some(_) => poller.deregister(self.fd),
                None => Ok(()),
            };
        }
        poller.register(at.fd, at.token, target.0, target.1)?;
        self.registered = Some(target);
        Ok(())
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
