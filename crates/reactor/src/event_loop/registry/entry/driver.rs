//! Events from the driver, and registrations with it.

use std::cell::RefCell;
use std::io;
use std::task::Waker;

use switchboard_driver::{Interest, Mode, Poller, Ready};

use super::{At, Entry};
use crate::event_loop::registry::waiters::{Direction, Fired, directions};
use crate::event_loop::task::id::TaskId;

impl Entry {
    /// Records an event of a registration whose only waiter can be a task that reads, which is the common
    /// case; returns the task to wake. Returns `None`, and changes nothing, in other cases.
    #[inline]
    pub(in crate::event_loop::registry) fn fire_reader(
        &mut self,
        event: Ready,
        edge: bool,
        poller: &RefCell<Box<dyn Poller>>,
    ) -> Option<Option<TaskId>> {
        if self.rare.as_deref().is_some_and(super::Rare::is_in_use) {
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
    pub(in crate::event_loop::registry) fn fire(
        &mut self,
        event: Ready,
        edge: bool,
        poller: &mut dyn Poller,
    ) -> Fired {
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
    #[cfg_attr(not(debug_assertions), inline(always))]
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
    pub(in crate::event_loop::registry) fn register(
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
