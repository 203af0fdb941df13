//! `select(2)`: every platform. Level mode only; each wait examines every descriptor, and all must be
//! below `FD_SETSIZE`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{
    FdSetElement, FdSetIter, PollFd, PollFlags, Timespec, fd_set_bound, fd_set_insert,
    fd_set_num_elements, fd_set_remove,
};
use rustix::io::Errno;

use crate::error;
use crate::notify::{Notifier, NotifyFd};
use crate::retry::{retry, timespec};
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

const FD_SETSIZE: usize = 1024;

/// The pause between two looks for errors of descriptors that are registered for out-of-band data only:
/// `select` reports errors as readability and writability.
const ERROR_CHECK: Duration = Duration::from_millis(20);

/// The three sets that `select` takes and overwrites.
struct Sets([Vec<FdSetElement>; 3]);

/// The interest and the readiness that each set stands for.
const MEANING: [(Interest, Ready); 3] = [
    (Interest::READ, Ready::READ),
    (Interest::WRITE, Ready::WRITE),
    // The exceptional condition of a socket is out-of-band data.
    (Interest::PRIORITY, Ready::PRIORITY),
];

pub(crate) struct Select {
    notify_fd: NotifyFd,
    tokens: Vec<Option<Token>>,
    registered: Vec<FdSetElement>,
    interest: Sets,
    /// The descriptors that are registered for out-of-band data only.
    priority_only: Vec<RawFd>,
    // Reused by every wait: a copy of `interest` that the kernel overwrites, and the readiness by
    // descriptor.
    result: Sets,
    ready: Vec<Ready>,
}

impl Select {
    pub(crate) fn new() -> io::Result<Select> {
        let mut select = Select {
            notify_fd: NotifyFd::new()?,
            tokens: vec![None; FD_SETSIZE],
            registered: empty(),
            interest: Sets([empty(), empty(), empty()]),
            priority_only: Vec::new(),
            result: Sets([empty(), empty(), empty()]),
            ready: vec![Ready::NONE; FD_SETSIZE],
        };
        let notify_fd = select.notify_fd.as_fd().as_raw_fd();
        check_limit(notify_fd)?;
        fd_set_insert(&mut select.registered, notify_fd);
        fd_set_insert(&mut select.interest.0[0], notify_fd);
        Ok(select)
    }

    fn find(&self, fd: RawFd) -> io::Result<usize> {
        usize::try_from(fd)
            .ok()
            .filter(|&fd| self.tokens.get(fd).is_some_and(Option::is_some))
            .ok_or_else(|| error::not_registered(fd))
    }

    fn remove(&mut self, fd: RawFd) {
        self.tokens[fd as usize] = None;
        self.priority_only.retain(|&other| other != fd);
        fd_set_remove(&mut self.registered, fd);
        for set in &mut self.interest.0 {
            fd_set_remove(set, fd);
        }
    }

    /// Makes the system call and returns how many bits of `result` are set.
    fn select(&mut self, timeout: Option<&Timespec>) -> rustix::io::Result<i32> {
        let limit = fd_set_bound(&self.registered);
        let len = fd_set_num_elements(FD_SETSIZE, limit);
        for (result, interest) in self.result.0.iter_mut().zip(&self.interest.0) {
            result[..len].copy_from_slice(&interest[..len]);
        }
        let [read, write, except] = &mut self.result.0;
        // SAFETY: each set holds FD_SETSIZE bits and `limit` is no more. By contract registered
        // descriptors are open; if one is not, select fails with EBADF and changes nothing.
        unsafe { rustix::event::select(limit, Some(read), Some(write), Some(except), timeout) }
    }

    /// Converts the result, which is by set, into events, which are by descriptor.
    fn collect(&mut self, events: &mut Vec<Event>) {
        let limit = fd_set_bound(&self.registered);
        let len = fd_set_num_elements(FD_SETSIZE, limit);
        for (set, (_, meaning)) in self.result.0.iter().zip(MEANING) {
            for fd in FdSetIter::new(&set[..len]) {
                self.ready[fd as usize] |= meaning;
            }
        }
        for (ready, token) in self.ready.iter_mut().zip(&self.tokens).take(limit as usize) {
            let ready = std::mem::take(ready);
            match *token {
                Some(token) if !ready.is_empty() => events.push(Event { token, ready }),
                // Only the notification descriptor has no token.
                None if !ready.is_empty() => self.notify_fd.drain(),
                _ => {}
            }
        }
    }

    /// Reports the errors and hang-ups of descriptors that are registered for out-of-band data only.
    fn find_errors(&self, events: &mut Vec<Event>) {
        let borrowed = self.priority_only.iter().map(|&fd| {
            // SAFETY: a registered number is not negative. By contract registered descriptors are open; if
            // one is not, poll(2) reports that and does nothing else.
            unsafe { BorrowedFd::borrow_raw(fd) }
        });
        let mut fds: Vec<_> = borrowed
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty()))
            .collect();
        // Looked for again later if the call fails.
        let _ = rustix::event::poll(&mut fds, Some(&Timespec::default()));
        for (at, fd) in fds.iter().enumerate() {
            let mut ready = Ready::NONE;
            for (flag, meaning) in [
                (PollFlags::ERR, Ready::ERROR),
                (PollFlags::HUP, Ready::HANG_UP),
            ] {
                if fd.revents().contains(flag) {
                    ready |= meaning;
                }
            }
            let token = self.tokens[self.priority_only[at] as usize];
            if let Some(token) = token.filter(|_| !ready.is_empty()) {
                events.push(Event { token, ready });
            }
        }
    }

    /// Reports the descriptors that are not open as errors and removes them.
    fn remove_closed(&mut self, events: &mut Vec<Event>) {
        for fd in 0..FD_SETSIZE {
            let Some(token) = self.tokens[fd] else {
                continue;
            };
            let fd = fd as RawFd;
            if !is_open(fd) {
                self.remove(fd);
                let ready = Ready::ERROR;
                events.push(Event { token, ready });
            }
        }
    }
}

impl Poller for Select {
    fn driver(&self) -> Driver {
        Driver::Select
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
        error::check_level(Driver::Select, mode)?;
        let fd = fd.as_raw_fd();
        check_limit(fd)?;
        self.tokens[fd as usize] = Some(token);
        fd_set_insert(&mut self.registered, fd);
        self.priority_only.retain(|&other| other != fd);
        if interest == Interest::PRIORITY {
            self.priority_only.push(fd);
        }
        for (set, (direction, _)) in self.interest.0.iter_mut().zip(MEANING) {
            if interest.contains(direction) {
                fd_set_insert(set, fd);
            } else {
                fd_set_remove(set, fd);
            }
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
        self.find(fd.as_raw_fd())?;
        self.register(fd, token, interest, mode)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.find(fd)?;
        self.remove(fd);
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let count = retry(timeout, |remaining| {
            let mut limit = remaining;
            if !self.priority_only.is_empty() {
                self.find_errors(events);
                let most = match events.is_empty() {
                    true => ERROR_CHECK,
                    false => Duration::ZERO,
                };
                limit = Some(remaining.map_or(most, |remaining| remaining.min(most)));
            }
            match self.select(timespec(limit).as_ref()) {
                // The wait goes on after a look for errors.
                Ok(0) if limit != remaining && events.is_empty() => Err(Errno::INTR),
                Err(Errno::BADF) => {
                    self.remove_closed(events);
                    // If none is found, one was closed during the wait and its number reused.
                    if events.is_empty() {
                        Err(Errno::INTR)
                    } else {
                        Ok(0)
                    }
                }
                result => result,
            }
        })?;
        if count > 0 {
            self.collect(events);
        }
        Ok(())
    }

    fn notifier(&self) -> Notifier {
        self.notify_fd.notifier()
    }
}

fn empty() -> Vec<FdSetElement> {
    let len = fd_set_num_elements(FD_SETSIZE, FD_SETSIZE as RawFd);
    vec![FdSetElement::default(); len]
}

/// Rejects a descriptor that has no bit in an `fd_set`.
fn check_limit(fd: RawFd) -> io::Result<()> {
    if (fd as usize) < FD_SETSIZE {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "select cannot watch descriptor {fd}: its limit is FD_SETSIZE = {FD_SETSIZE} \
             descriptors; use the `{}` driver",
            Driver::best()
        ),
    ))
}

/// Returns whether a descriptor is open.
pub(crate) fn is_open(fd: RawFd) -> bool {
    assert!(fd >= 0);
    // SAFETY: the number is not -1, and is borrowed for F_GETFD, which changes nothing.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_getfd(borrowed) != Err(Errno::BADF)
}
