//! Bytes on their way out: what flows write in one turn goes to the kernel with its one system call.
//!
//! ```text
//!   post ──► written ──── flush ────► flying ──── settle ────► answered ──► told
//! ```
//!
//! Writers are told what the kernel took, and not before: no bytes are kept on behalf of one who was
//! told that they are gone. A send never waits in the kernel; it is done when the system call that
//! submits it returns, as a whole, or with a completion that says how much of it. So the bytes are looked
//! at during that call only.

use std::io;
use std::os::fd::RawFd;
use std::task::{Poll, Waker};

use io_uring::{opcode, squeue, types};
use slab::Slab;

use super::SEND;
use super::ring::Ring;
use super::sockets::Sockets;
use crate::{Chunk, Token};

/// More is sent at once: to copy that costs as much as a system call.
const MOST: usize = 4096;

/// So many wait for the next system call at most; what is more is sent at once.
const ENTRIES: usize = 1024;

/// Where bytes begin: the kernel copies from there fastest.
const ALIGN: usize = 64;

struct Entry {
    token: Token,
    page: u32,
    start: u32,
    length: u32,
    state: State,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent with the next system call.
    Written,
    /// Asked of the kernel.
    Flying,
    /// So many bytes were sent; an error below zero.
    Answered(i32),
    /// Its writer is gone.
    Dropped,
}

#[derive(Default)]
pub(super) struct Outbox {
    entries: Slab<Entry>,
    /// Bytes of many entries, side by side. They stay where they are.
    pages: Vec<Chunk>,
    written: Vec<u32>,
    flying: Vec<u32>,
    /// Of those that have been answered.
    wakers: Vec<Waker>,
    /// How many sends were asked for in this turn, and in each of the two before.
    asked: [u32; 3],
    /// Who was told last: one that writes on at once is not to wait a turn for each piece.
    told: Option<Token>,
}

impl Outbox {
    /// Takes bytes in, unless there are many, or they are likely to be all that this turn has: then
    /// nothing is gained by keeping them for others.
    pub(super) fn post(&mut self, token: Token, bytes: &[u8], waker: &Waker) -> Option<u32> {
        let alone = self.asked[0] == 0 && self.asked[1..].iter().all(|&asked| asked < 2);
        self.asked[0] += 1;
        let full = self.entries.len() >= ENTRIES;
        if alone || full || self.told == Some(token) || !(1..=MOST).contains(&bytes.len()) {
            return None;
        }
        let (page, start) = self.place(bytes);
        let at = self.entries.insert(Entry {
            token,
            page,
            start,
            length: bytes.len() as u32,
            state: State::Written,
            waker: Some(waker.clone()),
        }) as u32;
        self.written.push(at);
        Some(at)
    }

    fn place(&mut self, bytes: &[u8]) -> (u32, u32) {
        loop {
            if let Some(page) = self.pages.last_mut() {
                let odd = page.len() % ALIGN;
                let start = page.len() + (ALIGN - odd) % ALIGN;
                if page.append(&[0; ALIGN][..start - page.len()]) && page.append(bytes) {
                    return (self.pages.len() as u32 - 1, start as u32);
                }
            }
            self.pages.push(Chunk::empty());
        }
    }

    /// Says how many bytes of an entry were sent, or why not; then the entry is gone.
    pub(super) fn told(&mut self, at: u32, waker: &Waker) -> Poll<io::Result<usize>> {
        let entry = &mut self.entries[at as usize];
        let State::Answered(answer) = entry.state else {
            if !entry.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
                // Woken, as in `withdraw`.
                self.wakers.extend(entry.waker.replace(waker.clone()));
            }
            return Poll::Pending;
        };
        self.told = Some(entry.token);
        self.entries.remove(at as usize);
        Poll::Ready(match usize::try_from(answer) {
            Ok(sent) => Ok(sent),
            Err(_) => Err(io::Error::from_raw_os_error(-answer)),
        })
    }

    /// Forgets an entry whose writer is gone; what was not asked of the kernel yet is not sent.
    pub(super) fn withdraw(&mut self, at: u32) {
        let entry = &mut self.entries[at as usize];
        match entry.state {
            State::Written | State::Flying => {
                entry.state = State::Dropped;
                // Woken, since it must not be dropped here: it may own what needs the driver.
                self.wakers.extend(entry.waker.take());
            }
            State::Answered(_) => drop(self.entries.remove(at as usize)),
            State::Dropped => unreachable!("its writer has gone already"),
        }
    }

    /// Queues what was written for the next system call.
    pub(super) fn flush(&mut self, ring: &mut Ring, sockets: &mut Sockets) -> io::Result<()> {
        let mut asked = 0;
        let mut result = Ok(());
        for at in self.written.iter().copied() {
            let entry = &mut self.entries[at as usize];
            if entry.state == State::Dropped {
                self.entries.remove(at as usize);
            } else if let Some(fd) = sockets.fd(entry.token) {
                let start = &raw const self.pages[entry.page as usize][entry.start as usize];
                // SAFETY: the bytes stay where they are until `settle` finds nothing flying, after the
                // system call in which the kernel reads them.
                result = unsafe { ring.push(&send(fd, start, entry.length, at)) };
                if result.is_err() {
                    break;
                }
                entry.state = State::Flying;
                self.flying.push(at);
            } else {
                // It has left this loop: to be sent where it is now.
                entry.state = State::Answered(-libc::EAGAIN);
                self.wakers.extend(entry.waker.take());
            }
            asked += 1;
        }
        self.written.drain(..asked);
        result
    }

    pub(super) fn has_written(&self) -> bool {
        !self.written.is_empty()
    }

    /// Whether answers are to be had as soon as the system call returns.
    pub(super) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    /// Takes in that a send did not go as a whole.
    pub(super) fn said(&mut self, at: u32, result: i32) {
        if let Some(entry) = self.entries.get_mut(at as usize)
            && entry.state == State::Flying
        {
            entry.state = State::Answered(result);
        }
    }

    /// A turn is over: of those that the kernel said nothing about, all went.
    pub(super) fn settle(&mut self) {
        self.told = None;
        self.asked = [0, self.asked[0], self.asked[1]];
        for at in self.flying.drain(..) {
            let entry = &mut self.entries[at as usize];
            match entry.state {
                State::Dropped => {
                    self.entries.remove(at as usize);
                    continue;
                }
                State::Flying => entry.state = State::Answered(entry.length.cast_signed()),
                State::Answered(_) => {}
                State::Written => unreachable!("what is flying was asked for"),
            }
            self.wakers.extend(entry.waker.take());
        }
        if self.written.is_empty() {
            self.pages.truncate(1);
            self.pages.iter_mut().for_each(Chunk::clear);
        }
    }

    pub(super) fn has_wakers(&self) -> bool {
        !self.wakers.is_empty()
    }

    /// Wakers of those that have been answered.
    pub(super) fn wakers(&mut self) -> std::vec::Drain<'_, Waker> {
        self.wakers.drain(..)
    }
}

fn send(fd: RawFd, start: *const u8, length: u32, at: u32) -> squeue::Entry {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    let send = opcode::Send::new(types::Fd(fd), start, length).flags(flags);
    let send = send.build().flags(squeue::Flags::SKIP_SUCCESS);
    send.user_data(SEND << 60 | u64::from(at))
}
