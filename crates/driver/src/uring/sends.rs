//! Posted sends: bytes that flows write in one turn go to the kernel with its one system call.
//!
//! ```text
//!   post ──► Queued ──── submit ────► InFlight ──── finish_turn ────► Done ──► poll
//! ```
//!
//! A writer gets its result when the kernel has taken the bytes, and not before: this queue never
//! holds bytes that their writer believes to be sent. A writer that goes on at once ([`Later`](crate::Later))
//! asks for no result: its send is removed when all is sent, and keeps the rest for it otherwise.
//!
//! A send never waits in the kernel. When the system call that submits it returns, it is complete and has
//! no completion, or a completion says how much of it was sent. The kernel therefore reads the bytes only
//! during that call.

mod later;

use std::io;
use std::os::fd::RawFd;
use std::task::{Poll, Waker};

use io_uring::{opcode, squeue, types};
use slab::Slab;

use super::ring::Ring;
use super::sockets::Sockets;
use super::{KIND_SHIFT, SEND};
use crate::completion::Later;
use crate::{Chunk, Token};

/// The most bytes that are posted. Copying more costs as much as a system call.
const MAX_LENGTH: usize = 4096;

/// The most sends at a time; further ones are sent at once.
const MAX_SENDS: usize = 1024;

/// The alignment of posted bytes: the kernel copies fastest from the start of a cache line.
const ALIGN: usize = 64;

struct PostedSend {
    token: Token,
    page: u32,
    start: u32,
    length: u32,
    state: State,
    waker: Option<Waker>,
    /// Of bytes whose writer has gone on.
    later: Option<Later>,
    /// Whether the writer waits for the result. It does, unless it has gone on.
    awaited: bool,
    /// What the kernel did not take of bytes whose writer has gone on.
    rest: Box<[u8]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be submitted with the next system call.
    Queued,
    /// Submitted to the ring.
    InFlight,
    /// Completed with the number of bytes sent, or a negative error number, in a turn that has not ended.
    Completed(i32),
    /// The result, for its writer.
    Done(i32),
    /// Its writer has given it up.
    Withdrawn,
}

#[derive(Default)]
pub(super) struct Sends {
    sends: Slab<PostedSend>,
    /// The bytes of all sends, one after another. A page never moves.
    pages: Vec<Chunk>,
    queued: Vec<u32>,
    in_flight: Vec<u32>,
    /// How many of those in flight are awaited.
    awaited: usize,
    /// How many sends there were whose writers went on.
    later: u64,
    /// The wakers of sends that are done, until they are taken.
    wakers: Vec<Waker>,
    /// The wakers that need not be woken, until they are taken.
    unneeded: Vec<Waker>,
    /// How many sends were asked for in this turn, and in each of the two before.
    posts: [u32; 3],
    /// The socket whose result was taken last in this turn, if no flow has received since. A writer that
    /// goes on at once should not wait a turn for each of its sends.
    last_done: Option<Token>,
}

impl Sends {
    /// Queues bytes. Returns `None` if there are too many, or if they are likely to be the only ones of
    /// this turn: then queueing them saves nothing.
    pub(super) fn post(&mut self, token: Token, bytes: &[u8], waker: &Waker) -> Option<u32> {
        let alone = self.posts[0] == 0 && self.posts[1..].iter().all(|&posts| posts < 2);
        self.posts[0] += 1;
        let full = self.sends.len() >= MAX_SENDS;
        let fits = (1..=MAX_LENGTH).contains(&bytes.len());
        if alone || full || self.last_done == Some(token) || !fits {
            return None;
        }
        let (page, start) = self.store(bytes);
        let number = self.sends.insert(PostedSend {
            token,
            page,
            start,
            length: bytes.len() as u32,
            state: State::Queued,
            waker: Some(waker.clone()),
            later: None,
            awaited: true,
            rest: Box::default(),
        }) as u32;
        self.queued.push(number);
        Some(number)
    }

    /// Copies bytes to a page; returns its index and where they start.
    fn store(&mut self, bytes: &[u8]) -> (u32, u32) {
        loop {
            if let Some(page) = self.pages.last_mut() {
                let start = page.len().next_multiple_of(ALIGN);
                let gap = start - page.len();
                if (gap == 0 || page.append(&[0; ALIGN][..gap])) && page.append(bytes) {
                    return (self.pages.len() as u32 - 1, start as u32);
                }
            }
            self.pages.push(Chunk::empty());
        }
    }

    /// Returns the result of a send, which ends its number.
    pub(super) fn poll(&mut self, number: u32, waker: &Waker) -> Poll<io::Result<usize>> {
        let send = &mut self.sends[number as usize];
        let State::Done(result) = send.state else {
            self.wake_later(number, waker);
            return Poll::Pending;
        };
        self.last_done = Some(send.token);
        self.sends.remove(number as usize);
        Poll::Ready(match usize::try_from(result) {
            Ok(sent) => Ok(sent),
            Err(_) => Err(io::Error::from_raw_os_error(-result)),
        })
    }

    /// Has a send wake `waker` when it is done.
    fn wake_later(&mut self, number: u32, waker: &Waker) {
        let send = &mut self.sends[number as usize];
        if !send.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            // Woken rather than dropped, as in `withdraw`.
            self.wakers.extend(send.waker.replace(waker.clone()));
        }
    }

    /// Notes that a flow receives: its next bytes are an answer, and not the rest of what it wrote.
    #[inline]
    pub(super) fn received(&mut self) {
        self.last_done = None;
    }

    /// Gives up a send. Its bytes are not sent if it is still queued.
    pub(super) fn withdraw(&mut self, number: u32) {
        let send = &mut self.sends[number as usize];
        match send.state {
            State::Queued | State::InFlight | State::Completed(_) => {
                send.state = State::Withdrawn;
                // Woken later, since dropping it may run code that needs the driver.
                self.wakers.extend(send.waker.take());
            }
            State::Done(_) => drop(self.sends.remove(number as usize)),
            State::Withdrawn => unreachable!("a send is withdrawn once"),
        }
    }

    /// Pushes queued sends to the ring.
    pub(super) fn submit(&mut self, ring: &mut Ring, sockets: &mut Sockets) -> io::Result<()> {
        let mut handled = 0;
        let mut result = Ok(());
        for number in self.queued.iter().copied() {
            let send = &mut self.sends[number as usize];
            if send.state == State::Withdrawn {
                self.sends.remove(number as usize);
            } else if let Some(fd) = sockets.fd(send.token) {
                let start = &raw const self.pages[send.page as usize][send.start as usize];
                // SAFETY: the bytes do not move and are not overwritten until `finish_turn` finds
                // nothing queued or in flight, after the system call in which the kernel reads them.
                result = unsafe { ring.push(&request(fd, start, send.length, number)) };
                if result.is_err() {
                    break;
                }
                send.state = State::InFlight;
                self.awaited += usize::from(send.awaited);
                self.in_flight.push(number);
            } else {
                // The socket has migrated to another loop: its writer must send there.
                send.keep_rest(&self.pages, 0);
                send.state = State::Done(-libc::EAGAIN);
                self.wakers.extend(send.waker.take());
            }
            handled += 1;
        }
        self.queued.drain(..handled);
        result
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Returns whether there are results for writers as soon as the next system call returns.
    pub(super) fn has_awaited(&self) -> bool {
        self.awaited > 0
    }

    /// Handles the completion of a send that was not sent as a whole.
    pub(super) fn complete(&mut self, number: u32, result: i32) {
        if let Some(send) = self.sends.get_mut(number as usize)
            && send.state == State::InFlight
        {
            // The turn's end, which looks at every send in flight, hands the result out.
            send.state = State::Completed(result);
        }
    }

    /// Ends a turn: sends in flight that have no completion were sent as a whole.
    pub(super) fn finish_turn(&mut self) {
        self.last_done = None;
        self.posts = [0, self.posts[0], self.posts[1]];
        self.awaited = 0;
        for number in self.in_flight.drain(..) {
            let send = &mut self.sends[number as usize];
            match send.state {
                State::Withdrawn => {
                    self.sends.remove(number as usize);
                    continue;
                }
                State::InFlight if !send.awaited => {
                    let send = self.sends.remove(number as usize);
                    self.unneeded.extend(send.waker);
                    continue;
                }
                State::InFlight => send.state = State::Done(send.length.cast_signed()),
                State::Completed(result) => {
                    send.keep_rest(&self.pages, result);
                    send.state = State::Done(result);
                }
                State::Done(_) | State::Queued => {
                    unreachable!("a send in flight has been submitted")
                }
            }
            self.wakers.extend(send.waker.take());
        }
        if self.queued.is_empty() {
            self.pages.truncate(1);
            self.pages.iter_mut().for_each(Chunk::clear);
        }
    }

    pub(super) fn has_wakers(&self) -> bool {
        !self.wakers.is_empty()
    }

    /// Moves the wakers of sends that are done to `wakers`.
    pub(super) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        match wakers.is_empty() {
            true => std::mem::swap(wakers, &mut self.wakers),
            false => wakers.append(&mut self.wakers),
        }
    }
}

fn request(fd: RawFd, start: *const u8, length: u32, number: u32) -> squeue::Entry {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    let send = opcode::Send::new(types::Fd(fd), start, length).flags(flags);
    let send = send.build().flags(squeue::Flags::SKIP_SUCCESS);
    send.user_data(SEND << KIND_SHIFT | u64::from(number))
}
