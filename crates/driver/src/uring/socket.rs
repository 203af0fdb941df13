//! One socket: its state, and the requests it pushes.
//!
//! Its receive or accept goes through these states:
//!
//! ```text
//!             arm                      cancel
//!   idle ────────────► ARMED ────────────────────► ARMED | CANCELLING
//!    ▲                 │   ▲ more completions                 │
//!    │                 └───┘                                  │
//!    └─────────────────┴──────────────────────────────────────┘
//!                      last completion
//! ```
//!
//! The poll for writability is independent: `WRITE_ARMED` from its request to its completion. A socket
//! that is `RELEASING` reports an event when it is neither `ARMED` nor `WRITE_ARMED`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use io_uring::{opcode, squeue, types};

use super::buffer_ring::GROUP;
use super::queues::EMPTY;
use super::ring::Ring;
use super::{ACCEPT, IGNORED, KIND_SHIFT, RECV, WRITABLE, user_data};
use crate::{Event, Ready, Token};

/// The number of low bits of the state that are flags.
const FLAG_BITS: u32 = 9;

pub(super) fn index(token: Token) -> usize {
    token.0 as u32 as usize
}

fn generation(token: Token) -> u32 {
    (token.0 as u64 >> 32) as u32 & (u32::MAX >> FLAG_BITS)
}

#[derive(Clone, Copy)]
pub(super) struct Socket {
    /// -1 for a vacant entry.
    pub(super) fd: RawFd,
    /// The head of its queue of completions.
    pub(super) head: u32,
    /// The flags, and above them the generation: one word, since each connection has one.
    state: u32,
}

/// A receive or an accept is in flight.
pub(super) const ARMED: u32 = 1;
/// The receive or accept in flight is being cancelled.
pub(super) const CANCELLING: u32 = 2;
/// A flow waits for bytes or a connection.
pub(super) const REQUESTED: u32 = 4;
/// The socket is a listener.
pub(super) const LISTENER: u32 = 8;
/// Bytes have filled a buffer, and none that were few have come since: receive one buffer at a time, so that
/// other sockets get some too, and what a slow flow has not taken stays in the socket.
pub(super) const SINGLE_SHOT: u32 = 16;
/// A poll for writability is in flight.
pub(super) const WRITE_ARMED: u32 = 32;
/// The socket's owner wants to release it, and needs an event when nothing is in flight.
pub(super) const RELEASING: u32 = 64;
/// A flow waits until what is being cancelled has ended, and needs an event then.
pub(super) const STOPPING: u32 = 128;
/// The socket is [parked](super::parked), or will be with the next wait.
pub(super) const PARKED: u32 = 256;

pub(super) const VACANT: Socket = Socket {
    fd: -1,
    head: EMPTY,
    state: 0,
};

impl Socket {
    pub(super) fn new(token: Token, fd: BorrowedFd<'_>) -> Socket {
        Socket {
            fd: fd.as_raw_fd(),
            state: generation(token) << FLAG_BITS,
            ..VACANT
        }
    }

    /// Returns whether this is the socket of `token`, and not of another one with its index.
    pub(super) fn has(&self, token: Token) -> bool {
        self.fd != -1 && self.state >> FLAG_BITS == generation(token)
    }

    /// Returns the token of the socket at `index`.
    pub(super) fn token(&self, index: usize) -> Token {
        Token((u64::from(self.state >> FLAG_BITS) << 32 | index as u64) as usize)
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.is(ARMED) || self.is(WRITE_ARMED)
    }

    pub(super) fn is(&self, flag: u32) -> bool {
        self.state & flag != 0
    }

    pub(super) fn set(&mut self, flag: u32, on: bool) {
        self.state = if on {
            self.state | flag
        } else {
            self.state & !flag
        };
    }

    /// Starts to receive, or to accept one connection.
    pub(super) fn arm(&mut self, token: Token, ring: &mut Ring) -> io::Result<()> {
        let fd = types::Fd(self.fd);
        let request = if self.is(LISTENER) {
            // Only one: later ones stay with the system, to be refused or accepted by another process.
            let no_address = std::ptr::null_mut::<u8>();
            let accept = opcode::Accept::new(fd, no_address.cast(), no_address.cast());
            let accept = accept.flags(libc::SOCK_CLOEXEC);
            accept.build().user_data(user_data(ACCEPT, token))
        } else if self.is(SINGLE_SHOT) {
            let recv = opcode::Recv::new(fd, std::ptr::null_mut(), 0).buf_group(GROUP);
            let recv = recv.build().flags(squeue::Flags::BUFFER_SELECT);
            recv.user_data(user_data(RECV, token))
        } else {
            let recv = opcode::RecvMulti::new(fd, GROUP).build();
            recv.user_data(user_data(RECV, token))
        };
        // SAFETY: the request refers only to the provided buffers, which outlive it.
        unsafe { ring.push(&request)? };
        self.set(ARMED, true);
        Ok(())
    }

    /// Starts to poll for writability.
    pub(super) fn arm_write(&mut self, token: Token, ring: &mut Ring) -> io::Result<()> {
        let poll = opcode::PollAdd::new(types::Fd(self.fd), libc::POLLOUT as u32).build();
        // SAFETY: the request refers to no memory.
        unsafe { ring.push(&poll.user_data(user_data(WRITABLE, token)))? };
        self.set(WRITE_ARMED, true);
        Ok(())
    }

    /// Cancels the receive or the accept.
    pub(super) fn cancel(&mut self, token: Token, ring: &mut Ring) {
        if !self.is(ARMED) || self.is(CANCELLING) {
            return;
        }
        let kind = if self.is(LISTENER) { ACCEPT } else { RECV };
        // A ring that accepts no request has failed; its requests in flight stay as they are.
        let pushed = push_cancel(user_data(kind, token), ring);
        self.set(CANCELLING, pushed);
    }

    /// Cancels everything in flight.
    pub(super) fn cancel_all(&mut self, token: Token, ring: &mut Ring) {
        self.cancel(token, ring);
        if self.is(WRITE_ARMED) {
            push_cancel(user_data(WRITABLE, token), ring);
        }
    }

    /// Returns the event of a socket that can be released now.
    pub(super) fn released(&self, token: Token) -> Option<Event> {
        (self.is(RELEASING) && !self.is_in_flight()).then_some(Event {
            token,
            ready: Ready::READ | Ready::WRITE | Ready::HANG_UP,
        })
    }
}

/// Cancels a request, which still has a completion of its own; returns whether the ring accepted that.
fn push_cancel(request: u64, ring: &mut Ring) -> bool {
    let cancel = opcode::AsyncCancel::new(request).build();
    let cancel = cancel.flags(squeue::Flags::SKIP_SUCCESS);
    // SAFETY: the request refers to no memory.
    unsafe { ring.push(&cancel.user_data(IGNORED << KIND_SHIFT)) }.is_ok()
}

/// Closes a descriptor with the next system call of the ring, or now if the ring accepts no requests.
pub(super) fn push_close(fd: OwnedFd, ring: &mut Ring) {
    let close = opcode::Close::new(types::Fd(fd.as_raw_fd())).build();
    let close = close.flags(squeue::Flags::SKIP_SUCCESS);
    // SAFETY: the request refers to no memory, and it takes over the descriptor's ownership.
    match unsafe { ring.push(&close.user_data(IGNORED << KIND_SHIFT)) } {
        Ok(()) => drop(fd.into_raw_fd()),
        Err(_) => drop(fd),
    }
}
