//! Bytes on their way out: written by flows during a turn, handed to the kernel with its wait.
//!
//! A send never waits in the kernel. It is done when the system call that submits it returns: whole, or
//! with a completion that says how much of it; the rest waits here until there is room. So the kernel
//! looks at these bytes during that call only. Whole sends have a completion only if somebody waits for
//! it, as it would end the wait.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use io_uring::{opcode, squeue, types};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use slab::Slab;

use super::ring::Ring;
use super::{ROOM_AGAIN, SEND};
use crate::Token;

/// What a socket may have here. More is sent at once: a copy of that costs as much as a system call.
const BLOCK: usize = 4096;

/// Blocks that are kept for the next turn.
const SPARE: usize = 256;

struct Entry {
    token: Token,
    fd: RawFd,
    block: Box<[u8; BLOCK]>,
    /// What of the block is still to be sent.
    start: u16,
    end: u16,
    /// What the kernel said, if it did not send all.
    said: Option<i32>,
    /// The kernel will say when there is room.
    waits: bool,
    /// The output ends behind it.
    shuts: bool,
    /// Somebody waits for its end.
    urgent: bool,
}

#[derive(Default)]
pub(super) struct Outbox {
    entries: Slab<Entry>,
    spare: Vec<Box<[u8; BLOCK]>>,
    /// To be handed to the kernel.
    written: Vec<u32>,
    /// Handed to it since the last look.
    flying: Vec<u32>,
}

/// What became of what a socket had here.
pub(super) enum Fate {
    Sent,
    Broken,
}

impl Outbox {
    /// Takes bytes for a socket that has nothing here, or more for one that has.
    pub(super) fn write(
        &mut self,
        at: Option<u32>,
        token: Token,
        fd: RawFd,
        bytes: &[u8],
    ) -> Option<(u32, usize)> {
        let at = match at {
            Some(at) => at,
            None => {
                let at = self.entries.insert(Entry {
                    token,
                    fd,
                    block: self.spare.pop().unwrap_or_else(|| Box::new([0; BLOCK])),
                    start: 0,
                    end: 0,
                    said: None,
                    waits: false,
                    shuts: false,
                    urgent: false,
                }) as u32;
                self.written.push(at);
                at
            }
        };
        let entry = self.entries.get_mut(at as usize)?;
        let room = &mut entry.block[usize::from(entry.end)..];
        let length = room.len().min(bytes.len());
        if entry.waits || entry.shuts || length == 0 {
            return None;
        }
        room[..length].copy_from_slice(&bytes[..length]);
        entry.end += length as u16;
        Some((at, length))
    }

    /// Whether bytes of this length go through here.
    pub(super) fn takes(length: usize) -> bool {
        length <= BLOCK
    }

    /// Sends at once; the caller has nothing here.
    pub(super) fn send_now(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(rustix::io::retry_on_intr(|| {
            rustix::net::send(fd, bytes, flags)
        })?)
    }

    /// Ends the output when all of an entry is sent; says whether there is such an entry.
    pub(super) fn shut(&mut self, at: u32) -> bool {
        let entry = self.entries.get_mut(at as usize);
        let entry = entry.map(|entry| (entry.shuts, entry.urgent) = (true, true));
        entry.is_some()
    }

    /// Asks to hear when an entry is sent.
    pub(super) fn urge(&mut self, at: u32) {
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.urgent = true;
        }
    }

    /// Queues what was written for the next system call.
    pub(super) fn flush(&mut self, ring: &mut Ring) -> io::Result<()> {
        for at in self.written.drain(..) {
            let Some(entry) = self.entries.get(at as usize) else {
                continue;
            };
            let bytes = &entry.block[usize::from(entry.start)..usize::from(entry.end)];
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
            let send = opcode::Send::new(types::Fd(entry.fd), bytes.as_ptr(), bytes.len() as u32);
            let send = send.flags(flags).build();
            let send = match entry.urgent {
                true => send,
                false => send.flags(squeue::Flags::SKIP_SUCCESS),
            };
            // SAFETY: the block stays where it is until `settle`, after the system call in which the
            // kernel reads it; the descriptor is closed after that.
            unsafe { ring.push(&send.user_data(SEND << 60 | u64::from(at)))? };
            self.flying.push(at);
        }
        Ok(())
    }

    /// Takes in that a send did not go as a whole.
    pub(super) fn said(&mut self, at: u32, result: i32) {
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.said = Some(result);
        }
    }

    /// Takes in that there is room, or that nobody will say so.
    pub(super) fn room(&mut self, at: u32) {
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.waits = false;
            self.written.push(at);
        }
    }

    /// Looks at what became of what was handed over. All of it has been sent, but for what the kernel
    /// said something about.
    pub(super) fn settle(
        &mut self,
        ring: &mut Ring,
        mut tell: impl FnMut(Token, Fate),
    ) -> io::Result<()> {
        while let Some(at) = self.flying.pop() {
            let Some(entry) = self.entries.get_mut(at as usize) else {
                continue;
            };
            let fate = match entry.said.take() {
                None => Fate::Sent,
                Some(sent @ 0..) if sent as u16 == entry.end - entry.start => Fate::Sent,
                Some(sent @ 0..) => {
                    entry.start += sent as u16;
                    self.wait(at, ring)?;
                    continue;
                }
                Some(error) => match Errno::from_raw_os_error(-error) {
                    Errno::AGAIN | Errno::NOBUFS => {
                        self.wait(at, ring)?;
                        continue;
                    }
                    Errno::INTR => {
                        self.written.push(at);
                        continue;
                    }
                    _ => Fate::Broken,
                },
            };
            let gone = self.entries.remove(at as usize);
            if self.spare.len() < SPARE {
                self.spare.push(gone.block);
            }
            if gone.shuts {
                // SAFETY: it is closed only after its owner was told.
                let fd = unsafe { BorrowedFd::borrow_raw(gone.fd) };
                let _ = rustix::net::shutdown(fd, Shutdown::Write);
            }
            tell(gone.token, fate);
        }
        Ok(())
    }

    /// Waits for room.
    fn wait(&mut self, at: u32, ring: &mut Ring) -> io::Result<()> {
        let entry = &mut self.entries[at as usize];
        let look = opcode::PollAdd::new(types::Fd(entry.fd), libc::POLLOUT as u32).build();
        entry.waits = true;
        // SAFETY: it names no memory.
        unsafe { ring.push(&look.user_data(ROOM_AGAIN << 60 | u64::from(at))) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries for which the kernel looks out.
    pub(super) fn waiting(&self) -> Vec<u32> {
        let waiting = self.entries.iter().filter(|(_, entry)| entry.waits);
        waiting.map(|(at, _)| at as u32).collect()
    }

    /// Gives up what could not be sent; nothing of it is under way.
    pub(super) fn give_up(&mut self) -> Vec<(Token, Vec<u8>)> {
        self.written.clear();
        let unsent = std::mem::take(&mut self.entries).into_iter();
        unsent
            .map(|(_, entry)| {
                let bytes = &entry.block[usize::from(entry.start)..usize::from(entry.end)];
                (entry.token, bytes.to_vec())
            })
            .collect()
    }
}
