//! Bytes on their way out: what flows write in one turn goes to the kernel with its one system call.
//!
//! A writer is told what the kernel took, and not before. A send never waits in the kernel: it is done
//! when the system call that submits it returns, as a whole, or with a completion that says how much of
//! it. So these bytes are looked at during that call only, and none is kept on behalf of a writer who
//! was told that it is gone.

use std::io;
use std::os::fd::RawFd;

use io_uring::{opcode, squeue, types};
use slab::Slab;

use super::SEND;
use super::ring::Ring;
use crate::Token;

/// More is sent at once: to copy that costs as much as a system call.
pub(super) const BLOCK: usize = 4096;

/// Blocks that are kept for the next turn.
const SPARE: usize = 256;

struct Entry {
    token: Token,
    fd: RawFd,
    block: Box<[u8; BLOCK]>,
    length: u16,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent with the next system call.
    Written,
    /// Nobody's any more, and to be forgotten then.
    Withdrawn,
    /// What the kernel answered, a count, or an error below zero; and in which turn.
    Answered(i32, u32),
}

#[derive(Default)]
pub(super) struct Outbox {
    entries: Slab<Entry>,
    spare: Vec<Box<[u8; BLOCK]>>,
    written: Vec<u32>,
    flying: Vec<u32>,
    turn: u32,
}

/// Turns in which a writer comes for its answer, unless it has lost interest.
const PATIENCE: u32 = 2;

/// How a write stands.
pub(super) enum Answer {
    /// It is to be made with the next system call.
    Later,
    /// The entry is gone; so many bytes of what was to be written were sent, or why not.
    Told(io::Result<usize>),
    /// It is of another writer, who comes for the answer in this turn.
    Taken,
    /// The entry is gone; it was of another writer, who has left.
    Stale,
}

impl Outbox {
    /// Adds bytes, of which there are at most [`BLOCK`].
    pub(super) fn write(&mut self, token: Token, fd: RawFd, bytes: &[u8]) -> u32 {
        let mut block = self.spare.pop().unwrap_or_else(|| Box::new([0; BLOCK]));
        block[..bytes.len()].copy_from_slice(bytes);
        let at = self.entries.insert(Entry {
            token,
            fd,
            block,
            length: bytes.len() as u16,
            state: State::Written,
        }) as u32;
        self.written.push(at);
        at
    }

    /// Adds what was sent, for the writer to come for the answer.
    pub(super) fn answered(&mut self, token: Token, fd: RawFd, sent: &[u8]) -> u32 {
        let at = self.write(token, fd, sent);
        self.written.pop();
        self.entries[at as usize].state = State::Answered(sent.len() as i32, self.turn);
        at
    }

    /// Asks again for what was added, with the same bytes or others.
    pub(super) fn ask(&mut self, at: u32, bytes: &[u8]) -> Answer {
        let entry = &mut self.entries[at as usize];
        match entry.state {
            State::Written if bytes.len() <= BLOCK => {
                entry.block[..bytes.len()].copy_from_slice(bytes);
                entry.length = bytes.len() as u16;
                Answer::Later
            }
            State::Written | State::Withdrawn => {
                entry.state = State::Withdrawn;
                Answer::Stale
            }
            State::Answered(sent @ 0.., turn) => {
                if bytes.starts_with(&entry.block[..sent as usize]) {
                    self.remove(at);
                    return Answer::Told(Ok(sent as usize));
                }
                if self.turn.wrapping_sub(turn) < PATIENCE {
                    return Answer::Taken;
                }
                self.remove(at);
                Answer::Stale
            }
            State::Answered(error, _) => {
                self.remove(at);
                Answer::Told(Err(io::Error::from_raw_os_error(-error)))
            }
        }
    }

    /// Whether an entry has an answer that nobody has asked for yet.
    pub(super) fn is_answered(&self, at: u32) -> bool {
        let entry = self.entries.get(at as usize);
        entry.is_some_and(|entry| matches!(entry.state, State::Answered(..)))
    }

    /// Gives an entry up: nothing is sent of it, but for what comes back.
    pub(super) fn withdraw(&mut self, at: u32) -> Vec<u8> {
        let Some(entry) = self.entries.get_mut(at as usize) else {
            return Vec::new();
        };
        let sent = match entry.state {
            State::Written | State::Withdrawn => {
                entry.state = State::Withdrawn;
                return Vec::new();
            }
            State::Answered(sent, _) => sent.max(0) as usize,
        };
        let sent = entry.block[..sent].to_vec();
        self.remove(at);
        sent
    }

    fn remove(&mut self, at: u32) {
        let entry = self.entries.remove(at as usize);
        if self.spare.len() < SPARE {
            self.spare.push(entry.block);
        }
    }

    /// Queues what was written for the next system call.
    pub(super) fn flush(&mut self, ring: &mut Ring) -> io::Result<()> {
        while let Some(&at) = self.written.last() {
            let entry = &self.entries[at as usize];
            if entry.state == State::Withdrawn {
                self.remove(at);
            } else {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
                let start = entry.block.as_ptr();
                let send = opcode::Send::new(types::Fd(entry.fd), start, entry.length.into());
                let send = send.flags(flags).build();
                let send = send.flags(squeue::Flags::SKIP_SUCCESS);
                let send = send.user_data(SEND << 60 | u64::from(at));
                // SAFETY: the block stays where it is until `settle`, after the system call in which
                // the kernel reads it.
                unsafe { ring.push(&send)? };
                self.flying.push(at);
            }
            self.written.pop();
        }
        Ok(())
    }

    /// Whether answers are to be had as soon as the system call returns.
    pub(super) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    /// Takes in that a send did not go as a whole.
    pub(super) fn said(&mut self, at: u32, result: i32) {
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.state = State::Answered(result, self.turn);
        }
    }

    /// Says whose sends were answered: of those that the kernel said nothing about, all went.
    pub(super) fn settle(&mut self, mut tell: impl FnMut(Token)) {
        self.turn = self.turn.wrapping_add(1);
        for at in self.flying.drain(..) {
            let entry = &mut self.entries[at as usize];
            if entry.state == State::Written {
                entry.state = State::Answered(entry.length.into(), self.turn);
            }
            tell(entry.token);
        }
    }
}
