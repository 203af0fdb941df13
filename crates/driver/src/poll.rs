//! `poll(2)`: every platform. Level mode only; each wait examines every descriptor.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use crate::error;
use crate::fd_table::FdTable;
use crate::notify::{Notifier, NotifyFd};
use crate::retry::{retry, timespec};
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

/// A list of descriptors for `poll(2)`. `fds[0]` is the notification descriptor, and `fds[n + 1]` is
/// that of entry `n` of `tokens`.
pub(crate) struct Poll {
    notify_fd: NotifyFd,
    tokens: FdTable<Token>,
    fds: Vec<PollFd<'static>>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const READ_CLOSED: PollFlags = PollFlags::RDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READ_CLOSED: PollFlags = PollFlags::empty();

impl Poll {
    pub(crate) fn new() -> io::Result<Poll> {
        let notify_fd = NotifyFd::new()?;
        let fds = vec![entry(notify_fd.as_fd(), PollFlags::IN)];
        Ok(Poll {
            notify_fd,
            tokens: FdTable::new(),
            fds,
        })
    }

    fn remove(&mut self, at: usize) {
        self.tokens.swap_remove(at);
        self.fds.swap_remove(at + 1);
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
        error::check_token(token)?;
        error::check_level(Driver::Poll, mode)?;
        let at = self.tokens.insert(fd.as_raw_fd(), token);
        let entry = entry(fd, flags(interest));
        match self.fds.get_mut(at + 1) {
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
        self.tokens.find(fd.as_raw_fd())?;
        self.register(fd, token, interest, mode)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let at = self.tokens.find(fd)?;
        self.remove(at);
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let mut pending = retry(timeout, |remaining| {
            rustix::event::poll(&mut self.fds, timespec(remaining).as_ref())
        })?;

        if pending > 0 && !self.fds[0].revents().is_empty() {
            self.notify_fd.drain();
            pending -= 1;
        }
        let mut at = 0;
        while pending > 0 && at < self.tokens.len() {
            let flags = self.fds[at + 1].revents();
            if !flags.is_empty() {
                pending -= 1;
                events.push(Event {
                    token: *self.tokens.get(at),
                    ready: ready(flags),
                });
            }
            if flags.contains(PollFlags::NVAL) {
                // The last entry moves to this position and is examined next.
                self.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    fn notifier(&self) -> Notifier {
        self.notify_fd.notifier()
    }
}

fn entry(fd: BorrowedFd<'_>, flags: PollFlags) -> PollFd<'static> {
    // SAFETY: `fd` is a valid number and is used only for poll(2), which takes no ownership of it and
    // changes nothing through it. By contract it stays open until it is deregistered; if it does not,
    // poll reports POLLNVAL and the entry is removed.
    let fd = unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) };
    PollFd::from_borrowed_fd(fd, flags)
}

/// Returns the mask of an interest; the kernel adds POLLHUP, POLLERR and POLLNVAL to every mask.
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
