//! One socket: what is asked of the kernel for it, and how.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use io_uring::{opcode, squeue, types};

use super::buffers::GROUP;
use super::ring::Ring;
use super::{ACCEPT, NOTHING, RECV, ROOM, number};
use crate::{Event, Ready, Token};

/// No index.
pub(super) const NONE: u32 = u32::MAX;

/// So many bits of the state are flags.
const FLAGS: u32 = 9;

pub(super) fn index(token: Token) -> usize {
    token.0 as u32 as usize
}

fn generation(token: Token) -> u32 {
    (token.0 as u64 >> 32) as u32 & (u32::MAX >> FLAGS)
}

#[derive(Clone, Copy)]
pub(super) struct Socket {
    /// -1 for none.
    pub(super) fd: RawFd,
    /// The first of what has come, in `Sockets::came`.
    pub(super) first: u32,
    /// Flags, and above them the generation: one word, since there is one for every connection.
    state: u32,
}

/// Bytes or connections go on coming.
pub(super) const ARMED: u32 = 1;
/// That was cancelled, and will end.
pub(super) const CANCELLED: u32 = 2;
/// Somebody waits for bytes or connections.
pub(super) const WANTED: u32 = 4;
/// It listens.
pub(super) const LISTENS: u32 = 8;
/// Its last bytes filled a buffer: one at a time, so that it leaves others to others.
pub(super) const BULK: u32 = 16;
/// The kernel is to say when there is room to send.
pub(super) const ROOMY: u32 = 32;
/// It is to be given up; its loop hears of it when nothing is under way.
pub(super) const LEAVES: u32 = 64;

pub(super) const VACANT: Socket = Socket {
    fd: -1,
    first: NONE,
    state: 0,
};

impl Socket {
    pub(super) fn new(token: Token, fd: BorrowedFd<'_>) -> Socket {
        Socket {
            fd: fd.as_raw_fd(),
            state: generation(token) << FLAGS,
            ..VACANT
        }
    }

    pub(super) fn has(&self, token: Token) -> bool {
        self.fd != -1 && self.state >> FLAGS == generation(token)
    }

    /// The token of the socket at `index`.
    pub(super) fn token(&self, index: usize) -> Token {
        Token((u64::from(self.state >> FLAGS) << 32 | index as u64) as usize)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.is(ARMED) || self.is(ROOMY)
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
}

impl Socket {
    pub(super) fn arm(&mut self, token: Token, ring: &mut Ring) -> io::Result<()> {
        let fd = types::Fd(self.fd);
        let request = if self.is(LISTENS) {
            // One: those behind it are the system's, to be refused or left to another process.
            let nowhere = std::ptr::null_mut::<u8>();
            let accept = opcode::Accept::new(fd, nowhere.cast(), nowhere.cast());
            let accept = accept.flags(libc::SOCK_CLOEXEC);
            accept.build().user_data(number(ACCEPT, token))
        } else if self.is(BULK) {
            let recv = opcode::Recv::new(fd, std::ptr::null_mut(), 0).buf_group(GROUP);
            let recv = recv.build().flags(squeue::Flags::BUFFER_SELECT);
            recv.user_data(number(RECV, token))
        } else {
            let recv = opcode::RecvMulti::new(fd, GROUP).build();
            recv.user_data(number(RECV, token))
        };
        // SAFETY: it names no memory but that of the buffers on offer, which outlives it.
        unsafe { ring.push(&request)? };
        self.set(ARMED, true);
        Ok(())
    }

    pub(super) fn cancel(&mut self, token: Token, ring: &mut Ring) {
        if !self.is(ARMED) || self.is(CANCELLED) {
            return;
        }
        let what = if self.is(LISTENS) { ACCEPT } else { RECV };
        // Unclaimed as it is where the ring takes no requests: then nothing goes on, and all is left to it.
        self.set(CANCELLED, cancel(number(what, token), ring));
    }

    /// Ends all that is under way.
    pub(super) fn still(&mut self, token: Token, ring: &mut Ring) {
        self.cancel(token, ring);
        if self.is(ROOMY) {
            cancel(number(ROOM, token), ring);
        }
    }

    /// The event for a socket that is to be given up and now can be.
    pub(super) fn left(&self, token: Token) -> Option<Event> {
        (self.is(LEAVES) && !self.is_under_way()).then_some(Event {
            token,
            ready: Ready::READ | Ready::WRITE | Ready::HANG_UP,
        })
    }
}

/// Ends a request, which has a completion of its own then; says whether the ring took that.
fn cancel(request: u64, ring: &mut Ring) -> bool {
    let cancel = opcode::AsyncCancel::new(request).build();
    let cancel = cancel.flags(squeue::Flags::SKIP_SUCCESS);
    // SAFETY: it names no memory.
    unsafe { ring.push(&cancel.user_data(NOTHING << 60)) }.is_ok()
}

/// Closes a descriptor with the next wait, or now where that can't be.
pub(super) fn shut(fd: OwnedFd, ring: &mut Ring) {
    let close = opcode::Close::new(types::Fd(fd.as_raw_fd())).build();
    let close = close.flags(squeue::Flags::SKIP_SUCCESS);
    // SAFETY: it names no memory, and the number is nobody else's before it is closed.
    match unsafe { ring.push(&close.user_data(NOTHING << 60)) } {
        Ok(()) => drop(fd.into_raw_fd()),
        Err(_) => drop(fd),
    }
}
