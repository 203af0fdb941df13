//! `select(2)`: everywhere. Level only; each wait looks at every descriptor, and none may have a
//! number of `FD_SETSIZE` or above.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{
    FdSetElement, FdSetIter, Timespec, fd_set_bound, fd_set_insert, fd_set_num_elements,
    fd_set_remove,
};
use rustix::io::Errno;

use crate::notify::{Notifier, NotifyFd};
use crate::refuse;
use crate::retry::{nanoseconds, retry};
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

const FD_SETSIZE: usize = 1024;

/// The three sets that `select` takes and gives, and what readiness each stands for.
struct Sets([Vec<FdSetElement>; 3]);

const MEANING: [(Interest, Ready); 3] = [
    (Interest::READ, Ready::READ),
    (Interest::WRITE, Ready::WRITE),
    // Out-of-band data is the exceptional condition of sockets.
    (Interest::PRIORITY, Ready::PRIORITY),
];

pub(crate) struct Select {
    bell: NotifyFd,
    tokens: Vec<Option<Token>>,
    registered: Vec<FdSetElement>,
    wanted: Sets,
    // Scratch: select overwrites its sets with the answer.
    answer: Sets,
    ready: Vec<Ready>,
}

impl Select {
    pub(crate) fn new() -> io::Result<Select> {
        let mut select = Select {
            bell: NotifyFd::new()?,
            tokens: vec![None; FD_SETSIZE],
            registered: empty(),
            wanted: Sets([empty(), empty(), empty()]),
            answer: Sets([empty(), empty(), empty()]),
            ready: vec![Ready::NONE; FD_SETSIZE],
        };
        let bell = select.bell.as_fd().as_raw_fd();
        check(bell)?;
        fd_set_insert(&mut select.registered, bell);
        fd_set_insert(&mut select.wanted.0[0], bell);
        Ok(select)
    }

    fn find(&self, fd: RawFd) -> io::Result<usize> {
        usize::try_from(fd)
            .ok()
            .filter(|&fd| self.tokens.get(fd).is_some_and(Option::is_some))
            .ok_or_else(|| refuse::unknown(fd))
    }

    fn forget(&mut self, fd: RawFd) {
        self.tokens[fd as usize] = None;
        fd_set_remove(&mut self.registered, fd);
        for set in &mut self.wanted.0 {
            fd_set_remove(set, fd);
        }
    }

    /// One system call: how many bits of `answer` are set.
    fn look(&mut self, timeout: Option<&Timespec>) -> rustix::io::Result<i32> {
        let limit = fd_set_bound(&self.registered);
        let len = fd_set_num_elements(FD_SETSIZE, limit);
        for (answer, wanted) in self.answer.0.iter_mut().zip(&self.wanted.0) {
            answer[..len].copy_from_slice(&wanted[..len]);
        }
        let [read, write, except] = &mut self.answer.0;
        // SAFETY: each set holds FD_SETSIZE bits and `limit` is no more. By contract what is
        // registered is open; should it not be, select says EBADF and touches nothing.
        unsafe { rustix::event::select(limit, Some(read), Some(write), Some(except), timeout) }
    }

    /// Turns the answer, by set, into events, by descriptor.
    fn collect(&mut self, events: &mut Vec<Event>) {
        let limit = fd_set_bound(&self.registered);
        let len = fd_set_num_elements(FD_SETSIZE, limit);
        for (set, (_, meaning)) in self.answer.0.iter().zip(MEANING) {
            for fd in FdSetIter::new(&set[..len]) {
                self.ready[fd as usize] |= meaning;
            }
        }
        for (ready, token) in self.ready.iter_mut().zip(&self.tokens).take(limit as usize) {
            let ready = std::mem::take(ready);
            match *token {
                Some(token) if !ready.is_empty() => events.push(Event { token, ready }),
                // The bell is the only one without a token.
                None if !ready.is_empty() => self.bell.drain(),
                _ => {}
            }
        }
    }

    /// Reports the descriptors that are not open, and forgets them.
    fn forget_closed(&mut self, events: &mut Vec<Event>) {
        for fd in 0..FD_SETSIZE {
            let Some(token) = self.tokens[fd] else {
                continue;
            };
            let fd = fd as RawFd;
            if !is_open(fd) {
                self.forget(fd);
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
        refuse::reserved(token)?;
        refuse::edge(Driver::Select, mode)?;
        let fd = fd.as_raw_fd();
        check(fd)?;
        self.tokens[fd as usize] = Some(token);
        fd_set_insert(&mut self.registered, fd);
        for (set, (wish, _)) in self.wanted.0.iter_mut().zip(MEANING) {
            if interest.contains(wish) {
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
        self.forget(fd);
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let count = retry(timeout, |left| {
            match self.look(nanoseconds(left).as_ref()) {
                Err(Errno::BADF) => {
                    self.forget_closed(events);
                    // None to be found: one was closed in the midst of a wait, and its number is in
                    // use again.
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
        self.bell.notifier()
    }
}

fn empty() -> Vec<FdSetElement> {
    let len = fd_set_num_elements(FD_SETSIZE, FD_SETSIZE as RawFd);
    vec![FdSetElement::default(); len]
}

/// Refuses what an `fd_set` has no bit for.
fn check(fd: RawFd) -> io::Result<()> {
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

/// Whether the number is that of an open descriptor.
pub(crate) fn is_open(fd: RawFd) -> bool {
    assert!(fd >= 0);
    // SAFETY: the number is not -1, and is lent for F_GETFD, which only asks whether it is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_getfd(borrowed) != Err(Errno::BADF)
}
