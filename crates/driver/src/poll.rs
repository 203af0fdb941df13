//! `poll(2)`: everywhere. Level only; each wait looks at every descriptor.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use crate::notify::{Notifier, NotifyFd};
use crate::refuse;
use crate::retry::{nanoseconds, retry};
use crate::slots::Slots;
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

/// `slots` and `fds` are in the same order, one apart: the first of `fds` is the bell.
pub(crate) struct Poll {
    bell: NotifyFd,
    slots: Slots<Token>,
    fds: Vec<PollFd<'static>>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const READ_CLOSED: PollFlags = PollFlags::RDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READ_CLOSED: PollFlags = PollFlags::empty();

impl Poll {
    pub(crate) fn new() -> io::Result<Poll> {
        let bell = NotifyFd::new()?;
        let fds = vec![watch(bell.as_fd(), PollFlags::IN)];
        Ok(Poll {
            bell,
            slots: Slots::new(),
            fds,
        })
    }

    fn forget(&mut self, slot: usize) {
        self.slots.swap_remove(slot);
        self.fds.swap_remove(slot + 1);
    }
}

impl Poller for Poll {
    fn driver(&self) -> Driver {
        Driver::Poll
    }

    fn has_edge(&self) -> bool {
        false
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        refuse::reserved(token)?;
        refuse::edge(Driver::Poll, mode)?;
        let slot = self.slots.put(fd.as_raw_fd(), token);
        let entry = watch(fd, flags(interest));
        match self.fds.get_mut(slot + 1) {
            Some(known) => *known = entry,
            None => self.fds.push(entry),
        }
        Ok(())
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        self.slots.find(fd.as_raw_fd())?;
        self.register(fd, token, interest, mode)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let slot = self.slots.find(fd)?;
        self.forget(slot);
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let mut left = retry(timeout, |left| {
            rustix::event::poll(&mut self.fds, nanoseconds(left).as_ref())
        })?;

        if left > 0 && !self.fds[0].revents().is_empty() {
            self.bell.drain();
            left -= 1;
        }
        let mut slot = 0;
        while left > 0 && slot < self.slots.len() {
            let flags = self.fds[slot + 1].revents();
            if !flags.is_empty() {
                left -= 1;
                events.push(Event {
                    token: *self.slots.get(slot),
                    ready: ready(flags),
                });
            }
            if flags.contains(PollFlags::NVAL) {
                // Another moves into this slot, to be looked at next.
                self.forget(slot);
            } else {
                slot += 1;
            }
        }
        Ok(())
    }

    fn notifier(&self) -> Notifier {
        self.bell.notifier()
    }
}

fn watch(fd: BorrowedFd<'_>, flags: PollFlags) -> PollFd<'static> {
    // SAFETY: `fd` is a valid number, and is used for poll(2) alone, which owns and touches nothing
    // through it. By contract it stays open until it is deregistered; should it not, poll says
    // POLLNVAL and the entry is dropped.
    let fd = unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) };
    PollFd::from_borrowed_fd(fd, flags)
}

/// The kernel adds POLLHUP, POLLERR and POLLNVAL to every mask.
fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    if interest.contains(Interest::READ) {
        flags |= PollFlags::IN | READ_CLOSED;
    }
    if interest.contains(Interest::WRITE) {
        flags |= PollFlags::OUT;
    }
    if interest.contains(Interest::PRIORITY) {
        flags |= PollFlags::PRI;
    }
    flags
}

fn ready(flags: PollFlags) -> Ready {
    let mut ready = Ready::NONE;
    for (flag, meaning) in [
        (PollFlags::IN, Ready::READ),
        (PollFlags::OUT, Ready::WRITE),
        (PollFlags::PRI, Ready::PRIORITY),
        (READ_CLOSED, Ready::READ_CLOSED),
        (PollFlags::HUP, Ready::HANG_UP),
        (PollFlags::ERR, Ready::ERROR),
        (PollFlags::NVAL, Ready::ERROR),
    ] {
        if flags.intersects(flag) {
            ready |= meaning;
        }
    }
    ready
}
