//! Descriptors: callbacks for those who like them, and the calls that sockets are built on.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use switchboard_driver::Ready;

use crate::event_loop::{Due, Loop};
use crate::slots::Slot;
use crate::timers::TimerKey;
use crate::waiters::{Direction, IoCall};

/// Callbacks on descriptors, level-triggered: a callback runs in every turn in which its descriptor
/// is ready, until it is removed. The descriptor must stay open until then.
/// Each direction of a descriptor has its own callback and its own slot; beside the first, one is
/// watched through a duplicate, which is closed with its slot.
impl Loop {
    /// Runs `f` whenever `fd` is readable, has ended or has an error. A second reader replaces the
    /// first.
    ///
    /// # Errors
    /// As [`register`](switchboard_driver::Poller::register).
    ///
    /// ```
    /// use std::{io::{Read, Write}, os::unix::net::UnixStream};
    /// use switchboard_reactor::{Driver, Loop};
    ///
    /// let (mut here, mut there) = UnixStream::pair()?;
    /// let lp = Loop::new(Driver::best())?;
    /// let watch = there.try_clone()?;
    /// let stop = lp.clone();
    /// let slot = lp.add_reader(&watch, move |_ready| {
    ///     let mut line = [0; 5];
    ///     there.read_exact(&mut line).unwrap();
    ///     assert_eq!(&line, b"hello");
    ///     stop.stop();
    /// })?;
    /// here.write_all(b"hello")?;
    /// lp.run_forever()?;
    /// lp.remove(slot);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn add_reader(&self, fd: impl AsFd, f: impl FnMut(Ready) + 'static) -> io::Result<Slot> {
        self.add(fd.as_fd(), Direction::Read, Rc::new(RefCell::new(f)))
    }

    /// Runs `f` whenever `fd` is writable or has an error.
    ///
    /// # Errors
    /// As [`register`](switchboard_driver::Poller::register).
    #[track_caller]
    pub fn add_writer(&self, fd: impl AsFd, f: impl FnMut(Ready) + 'static) -> io::Result<Slot> {
        self.add(fd.as_fd(), Direction::Write, Rc::new(RefCell::new(f)))
    }

    /// Runs `f` whenever out-of-band data is there to take from `fd`, or it has an error.
    ///
    /// # Errors
    /// As [`register`](switchboard_driver::Poller::register).
    #[track_caller]
    pub fn add_priority(&self, fd: impl AsFd, f: impl FnMut(Ready) + 'static) -> io::Result<Slot> {
        self.add(fd.as_fd(), Direction::Priority, Rc::new(RefCell::new(f)))
    }

    #[track_caller]
    fn add(&self, fd: BorrowedFd<'_>, direction: Direction, f: IoCall) -> io::Result<Slot> {
        let name = Location::caller();
        let mut poller = self.0.poller.borrow_mut();
        let mut slots = self.0.slots.borrow_mut();
        let (slot, old) = slots.watch(fd, direction, (f, name), &mut **poller);
        // First let go of the tables: what the old callback owned may use the loop as it is dropped.
        drop((slots, poller));
        drop(old);
        slot
    }

    /// Removes a callback and drops it; if it was about to run in this turn, it doesn't.
    pub fn remove(&self, slot: Slot) {
        self.detach(slot);
    }
}

/// What sockets wait with. A socket takes a slot when it first has to wait and gives it up before
/// it closes its descriptor.
impl Loop {
    /// Takes a slot. The kernel isn't told before somebody waits.
    pub fn attach(&self, fd: BorrowedFd<'_>) -> Slot {
        self.0.slots.borrow_mut().attach(fd)
    }

    /// Gives a slot up and wakes whoever waits in it.
    pub fn detach(&self, slot: Slot) {
        let (mut fired, state) = {
            let mut poller = self.0.poller.borrow_mut();
            self.0.slots.borrow_mut().detach(slot, &mut **poller)
        };
        drop(state);
        fired.wake();
    }

    /// Has whoever waits in a slot come again, and the driver be told of the descriptor again.
    pub fn renew(&self, slot: Slot) {
        let mut fired = self.0.slots.borrow_mut().renew(slot);
        fired.wake();
    }

    /// Whether a call in this direction is worth trying.
    pub fn is_ready(&self, slot: Slot, direction: Direction) -> bool {
        self.0.slots.borrow().is_ready(slot, direction)
    }

    /// Wakes `waker` once, when the direction becomes ready.
    ///
    /// # Errors
    /// As [`register`](switchboard_driver::Poller::register).
    pub fn wait_for(
        &self,
        slot: Slot,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<()> {
        let mut poller = self.0.poller.borrow_mut();
        let mut slots = self.0.slots.borrow_mut();
        slots.wait(slot, fd, direction, waker, &mut **poller)
    }

    /// Says that a wait was given up, so that its waker isn't kept.
    pub fn abandon(&self, slot: Slot, direction: Direction) {
        // Who is left to wait for connections has them asked for again.
        let paused = direction == Direction::Read && self.pause(slot);
        let mut slots = self.0.slots.borrow_mut();
        let mut fired = slots.abandon(slot, direction, paused);
        drop(slots);
        fired.wake();
    }

    /// Says what a call found: that it would block, or (`would_block` false) that it took all there
    /// seemed to be, so that the next one isn't worth trying before the next event.
    pub fn drained(&self, slot: Slot, direction: Direction, would_block: bool) {
        self.0
            .slots
            .borrow_mut()
            .clear(slot, direction, would_block);
    }

    /// Wakes `waker` at `when`, by the loop's [time](Loop::now).
    pub fn wake_at(&self, when: Instant, waker: Waker) -> TimerKey {
        self.0.timers.borrow_mut().arm(when, Due::Wake(waker))
    }

    /// Replaces the waker of an armed timer; says whether it is still armed.
    pub fn rewake(&self, timer: TimerKey, waker: &Waker) -> bool {
        match self.0.timers.borrow_mut().get_mut(timer) {
            Some(Due::Wake(old)) => {
                old.clone_from(waker);
                true
            }
            _ => false,
        }
    }

    /// Disarms a timer that [`wake_at`](Loop::wake_at) armed.
    pub fn unwake(&self, timer: TimerKey) {
        let due = self.0.timers.borrow_mut().cancel(timer);
        drop(due);
    }
}
