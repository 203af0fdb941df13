//! io_uring: Linux from 6.0. The kernel takes requests, carries them out, and returns completions.
//!
//! ```text
//!   flows:  request, post                                 unclaimed completions
//!              │                                                       ▲
//!          submissions ─────────► one system call a turn ──────► completions
//!                                 (and the wait in it)
//! ```
//!
//! Descriptors that are registered for readiness (callbacks on descriptors, out-of-band data) are in an
//! epoll instance, which the ring polls like any other descriptor.
#![allow(unsafe_code)]

mod buffer_ring;
mod closing;
mod completion_driver;
mod parked;
mod pressure;
mod queues;
mod ring;
mod sends;
mod setup;
mod socket;
mod sockets;

pub(crate) use setup::open;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use io_uring::{cqueue, opcode, types};
use rustix::io::Errno;

use crate::epoll::Epoll;
use crate::notify::Notifier;
use crate::retry::retry;
use crate::{Driver, Event, Interest, Mode, Poller, Token};

use buffer_ring::BufferRing;
use ring::Ring;
use sends::Sends;
use sockets::Sockets;

// The kind of a request: the top bits of its user data. The socket's token is below.
const RECV: u64 = 1;
const ACCEPT: u64 = 2;
const WRITABLE: u64 = 3;
const EPOLL: u64 = 4;
const NOTIFY: u64 = 5;
const SEND: u64 = 6;
/// A request whose completion is ignored.
const IGNORED: u64 = 7;
const PARKED: u64 = 8;

const KIND_SHIFT: u32 = 60;
const TOKEN_MASK: u64 = (1 << 55) - 1;

fn user_data(kind: u64, token: Token) -> u64 {
    kind << KIND_SHIFT | token.0 as u64 & TOKEN_MASK
}

/// The driver `uring`, as the completion driver that a poller has; see
/// [`CompletionDriver`](crate::CompletionDriver).
///
/// ```
/// use switchboard_driver::{CompletionDriver, Driver, Token, Uring};
///
/// /// Returns whether the kernel receives for a socket.
/// fn receives(uring: &mut Uring, token: Token) -> bool {
///     uring.is_requested(token)
/// }
///
/// # let driver = Driver::auto();
/// # if driver != Driver::Uring { return Ok(()); }
/// let mut poller = driver.open()?;
/// assert!(!receives(poller.completion_driver().unwrap(), Token(0)));
/// # std::io::Result::Ok(())
/// ```
pub struct Uring {
    ring: Ring,
    buffers: BufferRing,
    sockets: Sockets,
    sends: Sends,
    epoll: Epoll,
    notify_poll: PollState,
    epoll_poll: PollState,
    parked_poll: PollState,
    /// Events that were found outside of a wait, for the next one.
    early_events: Vec<Event>,
    /// The notifier was used, and no wait has ended by it yet.
    notified: bool,
}

/// The ring's poll of a descriptor of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PollState {
    /// Nothing is registered with the descriptor, so there is no need to poll it.
    Unused,
    /// To be polled from the next wait on.
    Disarmed,
    /// In flight.
    Armed,
}

impl Uring {
    /// Handles the completions in the queue.
    fn reap(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        while let Some(completion) = self.ring.next_completion() {
            let token = Token((completion.user_data() & TOKEN_MASK) as usize);
            match completion.user_data() >> KIND_SHIFT {
                RECV | ACCEPT => {
                    let Uring {
                        ring,
                        buffers,
                        sockets,
                        ..
                    } = self;
                    sockets.complete(token, &completion, buffers, ring, events);
                }
                WRITABLE => self.sockets.complete_writable(token, events),
                SEND => self.sends.complete(token.0 as u32, completion.result()),
                EPOLL => {
                    self.epoll_poll = PollState::Disarmed;
                    self.epoll.poll(events)?;
                }
                PARKED => {
                    self.parked_poll = PollState::Disarmed;
                    self.sockets.take_parked(events)?;
                }
                NOTIFY => {
                    self.notified = true;
                    if !cqueue::more(completion.flags()) {
                        self.notify_poll = PollState::Disarmed;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Queues the requests that a wait needs.
    fn prepare(&mut self) -> io::Result<()> {
        self.buffers.refill();
        self.sockets.rearm(&mut self.ring)?;
        self.sends.submit(&mut self.ring, &mut self.sockets)?;
        if self.notify_poll == PollState::Disarmed {
            let fd = self.epoll.notify_fd().as_fd();
            push_poll(&mut self.ring, fd, NOTIFY, true)?;
            self.notify_poll = PollState::Armed;
        }
        if self.epoll_poll == PollState::Disarmed {
            push_poll(&mut self.ring, self.epoll.as_fd(), EPOLL, false)?;
            self.epoll_poll = PollState::Armed;
        }
        if self.parked_poll != PollState::Armed
            && let Some(epoll) = self.sockets.parked_epoll()
        {
            push_poll(&mut self.ring, epoll, PARKED, false)?;
            self.parked_poll = PollState::Armed;
        }
        Ok(())
    }

    /// Submits queued requests and waits for completions, with one system call, and handles them.
    fn turn(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        // A forked child must not touch the ring's memory, which it does not have.
        self.ring.check()?;
        let idle = events.is_empty()
            && !self.has_send_results()
            && !self.notified
            && !self.ring.has_completions();
        let want = usize::from(idle && timeout != Some(Duration::ZERO));
        self.ring.enter(want, timeout)?;
        self.reap(events)?;
        // A send that was not complete has a completion. None may be missing: neither of a send that
        // is not submitted yet, nor one that the queue had no space for.
        if self.ring.is_submitted() && !self.ring.has_overflow() {
            self.sends.finish_turn();
        }
        Ok(())
    }

    /// Returns whether the next system call, or an earlier one, has results for writers.
    fn has_send_results(&self) -> bool {
        self.sends.has_awaited() || self.sends.has_wakers()
    }
}

/// Queues a poll of a descriptor for input.
fn push_poll(ring: &mut Ring, fd: BorrowedFd<'_>, kind: u64, multishot: bool) -> io::Result<()> {
    let poll = opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), libc::POLLIN as u32);
    let poll = poll.multi(multishot).build().user_data(kind << KIND_SHIFT);
    // SAFETY: the request refers to no memory.
    unsafe { ring.push(&poll) }
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
        if self.epoll_poll == PollState::Unused {
            self.epoll_poll = PollState::Disarmed;
        }
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
        events.append(&mut self.early_events);
        let mut failed = None;
        retry(timeout, |remaining| {
            if let Err(error) = self.prepare().and_then(|()| self.turn(events, remaining)) {
                failed = Some(error);
                return Ok(());
            }
            // A completion may concern no caller, and the kernel may end a wait too early.
            let notified = std::mem::take(&mut self.notified);
            let over = notified
                || self.has_send_results()
                || !events.is_empty()
                || remaining == Some(Duration::ZERO);
            over.then_some(()).ok_or(Errno::INTR)
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn notifier(&self) -> Notifier {
        self.epoll.notify_fd().notifier()
    }

    fn completion_driver(&mut self) -> Option<&mut Uring> {
        Some(self)
    }
}
