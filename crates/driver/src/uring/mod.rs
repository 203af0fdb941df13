//! io_uring: Linux from 6.0. The kernel is told what to do and says when it is done.
//!
//! ```text
//!   flows:  expect, post                                          inbox: what has come
//!              │                                                       ▲
//!           requests ──────────► one system call a turn ──────► completions
//!                                 (and the wait in it)
//! ```
//!
//! What the kernel can only say of readiness (callbacks on descriptors, out-of-band data) is asked of
//! an epoll instance, which the ring looks at like at any other descriptor.
#![allow(unsafe_code)]

mod arrivals;
mod buffers;
mod outbox;
mod ring;
mod socket;
mod sockets;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use io_uring::{opcode, types};
use rustix::io::Errno;

use crate::completion::{CompletionDriver, Completions, Request, Unclaimed};
use crate::epoll::Epoll;
use crate::notify;
use crate::retry::retry;
use crate::{Driver, Event, Interest, Mode, Poller, Token};

use arrivals::Arrivals;
use buffers::Buffers;
use outbox::Outbox;
use ring::Ring;
use sockets::Sockets;

/// What a completion is of: the top bits of its request's number. Below is the socket's token.
const RECV: u64 = 1;
const ACCEPT: u64 = 2;
const ROOM: u64 = 3;
const EPOLL: u64 = 4;
const BELL: u64 = 5;
const SEND: u64 = 6;
const NOTHING: u64 = 7;

/// Where a request's number has the token.
const TOKEN: u64 = (1 << 55) - 1;

fn number(kind: u64, token: Token) -> u64 {
    kind << 60 | token.0 as u64 & TOKEN
}

/// How long the end of a listener, or of a ring, is waited for. It is at hand: the kernel has only to be
/// asked, some dozens of completions at a time.
const END: Duration = Duration::from_secs(1);

struct Uring {
    ring: Ring,
    buffers: Buffers,
    sockets: Sockets,
    outbox: Outbox,
    epoll: Epoll,
    /// Whether the ring looks at the bell, and at epoll if that has anything to look at.
    hears: bool,
    looks: bool,
    watches: bool,
    /// Seen while nobody waited.
    early: Vec<Event>,
    /// The bell was rung, and no wait has ended by it yet.
    rung: bool,
    /// The kernel may still be at it.
    failed: bool,
}

/// Opens a ring.
///
/// # Errors
/// `Unsupported`, with the reason and what to do about it.
pub(crate) fn open() -> io::Result<Box<dyn Poller>> {
    let ring = Ring::open().map_err(|error| explain(&error))?;
    let buffers = Buffers::register(&ring).map_err(|error| explain(&error))?;
    Ok(Box::new(Uring {
        ring,
        buffers,
        sockets: Sockets::default(),
        outbox: Outbox::default(),
        epoll: Epoll::new()?,
        hears: false,
        looks: false,
        watches: false,
        early: Vec::new(),
        rung: false,
        failed: false,
    }))
}

fn explain(error: &io::Error) -> io::Error {
    let why = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSYS) => "this kernel was built without it",
        Some(Errno::PERM | Errno::ACCESS) => {
            "it is forbidden: set the sysctl kernel.io_uring_disabled to 0, and allow io_uring_setup, \
             io_uring_enter and io_uring_register in the seccomp profile of the container"
        }
        Some(Errno::INVAL) => "this kernel's is too old: Linux 6.0 has what is needed",
        Some(Errno::NOMEM) => "it is out of locked memory: raise `ulimit -l`",
        Some(Errno::MFILE | Errno::NFILE) => "no descriptor is left: raise `ulimit -n`",
        _ => "the system refuses it",
    };
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("no io_uring ({error}): {why}; or use `epoll`"),
    )
}

impl Uring {
    /// Looks at completions.
    fn reap(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        while let Some(done) = self.ring.next() {
            let token = Token((done.user_data() & TOKEN) as usize);
            match done.user_data() >> 60 {
                RECV | ACCEPT => {
                    let Uring {
                        ring,
                        buffers,
                        sockets,
                        ..
                    } = self;
                    sockets.came(token, &done, buffers, ring, events);
                }
                ROOM => self.sockets.room(token, events),
                SEND => self.outbox.said(token.0 as u32, done.result()),
                EPOLL => {
                    self.looks = false;
                    self.epoll.poll(events)?;
                }
                BELL => {
                    self.rung = true;
                    self.hears = io_uring::cqueue::more(done.flags());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Queues what has to be asked of the kernel before a wait.
    fn ask(&mut self) -> io::Result<()> {
        self.buffers.refill();
        self.sockets.feed(&mut self.ring)?;
        self.outbox.flush(&mut self.ring, &mut self.sockets)?;
        for (asked, kind, fd, again) in [
            (self.hears, BELL, self.epoll.notify_fd().as_fd(), true),
            (
                self.looks || !self.watches,
                EPOLL,
                self.epoll.as_fd(),
                false,
            ),
        ] {
            if !asked {
                let look = opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), libc::POLLIN as u32);
                let look = look.multi(again).build().user_data(kind << 60);
                // SAFETY: it names no memory.
                unsafe { self.ring.push(&look)? };
            }
        }
        self.hears = true;
        self.looks |= self.watches;
        Ok(())
    }

    /// One system call: hands over what was asked, waits, and looks at what is done.
    fn turn(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        // In a forked child its memory isn't there.
        self.ring.check()?;
        let answers = self.outbox.is_flying() || self.outbox.has_wakers();
        let idle = events.is_empty() && !answers && !self.rung && !self.ring.has_completions();
        let want = usize::from(idle && timeout != Some(Duration::ZERO));
        self.ring.enter(want, timeout)?;
        self.reap(events)?;
        // A send that did not go says so in a completion, which must not be overlooked; nor must one
        // that the kernel had no memory to take.
        if self.ring.is_submitted() && !self.ring.is_behind() {
            self.outbox.settle();
        }
        Ok(())
    }
}

impl Poller for Uring {
    fn driver(&self) -> Driver {
        Driver::Uring
    }

    fn has_edge(&self) -> bool {
        true
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        self.watches = true;
        self.epoll.register(fd, token, interest, mode)
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        self.epoll.modify(fd, token, interest, mode)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.epoll.deregister(fd)
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        events.append(&mut self.early);
        let mut failed = None;
        retry(timeout, |left| {
            if let Err(error) = self.ask().and_then(|()| self.turn(events, left)) {
                failed = Some(error);
                return Ok(());
            }
            // What was done may be nobody's business, or time was up too early.
            let rung = std::mem::take(&mut self.rung);
            let busy = self.outbox.is_flying() || self.outbox.has_wakers();
            let over = rung || busy || !events.is_empty() || left == Some(Duration::ZERO);
            over.then_some(()).ok_or(Errno::INTR)
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn notifier(&self) -> notify::Notifier {
        self.epoll.notify_fd().notifier()
    }

    fn completion_driver(&mut self) -> Option<&mut dyn CompletionDriver> {
        Some(self)
    }
}

impl CompletionDriver for Uring {
    fn request(&mut self, token: Token, fd: BorrowedFd<'_>, what: Request) -> io::Result<()> {
        self.sockets.request(token, fd, what, &mut self.ring)
    }

    fn completions(&mut self, token: Token, f: &mut dyn FnMut(&mut dyn Completions)) {
        f(&mut Arrivals(&mut self.sockets, token));
    }

    fn is_requested(&mut self, token: Token) -> bool {
        self.sockets.is_requested(token)
    }

    fn cancel_accept(&mut self, token: Token) -> bool {
        self.sockets.cancel_accept(token, &mut self.ring)
    }

    fn post(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<u32> {
        if self.ring.is_foreign() {
            return None;
        }
        let number = self.outbox.post(token, bytes, waker)?;
        self.sockets.take_in(token, fd);
        Some(number)
    }

    fn poll_posted(&mut self, number: u32, waker: &Waker) -> Poll<io::Result<usize>> {
        self.outbox.told(number, waker)
    }

    fn withdraw(&mut self, number: u32) {
        self.outbox.withdraw(number);
    }

    fn flush(&mut self) {
        if self.outbox.has_written() && !self.ring.is_foreign() {
            let _ = self.outbox.flush(&mut self.ring, &mut self.sockets);
            let _ = self.finish(|_| true);
        }
    }

    fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.outbox.wakers());
    }

    fn close(&mut self, token: Token, fd: OwnedFd) {
        if self.ring.is_foreign() {
            return drop(fd);
        }
        // Who connects to a listener that was dropped is to be refused.
        if self.sockets.close(token, fd, &mut self.ring) {
            let _ = self.finish(|uring| !uring.sockets.is_closing(token));
        }
    }

    fn release(&mut self, token: Token) -> Option<Unclaimed> {
        self.sockets.release(token, &mut self.ring)
    }

    fn restore(&mut self, token: Token, left: Unclaimed) {
        self.sockets.restore(token, left);
    }

    fn quiesce(&mut self) -> Vec<(Token, Unclaimed)> {
        // What can't be asked now is asked in the next run, if there is one.
        let _ = self.outbox.flush(&mut self.ring, &mut self.sockets);
        self.sockets.cancel_all(&mut self.ring);
        let finished = self.finish(|uring| uring.sockets.are_still());
        // What a ring that fails still has is not to be had.
        self.failed = !matches!(finished, Ok(true));
        if self.failed {
            self.ring.give_up();
        }
        self.sockets.take_left()
    }
}

impl Uring {
    /// Looks at completions until what was cancelled is done; says whether it is. What else was seen is
    /// kept for the next wait.
    fn finish(&mut self, done: impl Fn(&Uring) -> bool) -> io::Result<bool> {
        let end = Instant::now() + END;
        let (mut early, mut rung) = (std::mem::take(&mut self.early), false);
        // What is done at once is not waited for.
        let mut wait = Duration::ZERO;
        let result = loop {
            let mut seen = Vec::new();
            let turned = self.turn(&mut seen, Some(wait));
            early.append(&mut seen);
            rung |= std::mem::take(&mut self.rung);
            if let Err(error) = turned {
                break Err(error);
            }
            if self.ring.is_submitted() && done(self) {
                break Ok(true);
            }
            wait = end.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break Ok(false);
            }
        };
        (self.early, self.rung) = (early, rung);
        result
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if !self.ring.is_foreign() {
            self.quiesce();
        }
        if self.failed || self.ring.is_foreign() {
            self.buffers.abandon();
        } else {
            self.buffers.deregister(&self.ring);
        }
    }
}
