//! The table of sockets: starts and cancels their requests, and keeps their completions.
//!
//! ```text
//!             request                bytes
//!   idle ─────────────► armed ──────────────────► completions, until they are taken
//!                         │  ENOBUFS: rearmed with the next wait, with more buffers
//!                         │  a backlog: cancelled, armed again by the next request
//!                         │  the end of a run: cancelled, and parked
//!                         ▼
//!              end of input, which stays; or an error, and then the end of input
//! ```

mod ends;

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use io_uring::cqueue;

use super::buffer_ring::BufferRing;
use super::closing::ClosingSockets;
use super::parked::Parked;
use super::queues::{Queues, SocketCompletions};
use super::ring::Ring;
use super::socket::*;
use super::{ACCEPT, KIND_SHIFT};
use crate::completion::{Completion, Request};
use crate::{Chunk, Event, Ready, Token};

/// The length of bytes that show that a socket does not receive in bulk any more: less than this.
const SMALL: usize = 4096;

#[derive(Default)]
pub(super) struct Sockets {
    sockets: Vec<Socket>,
    closing: ClosingSockets,
    queues: Queues,
    /// Sockets to be armed again, or parked, by the next wait, which also provides buffers.
    starved: Vec<Token>,
    /// The indices of the sockets that may have requests in flight or completions; some more than once.
    active: Vec<u32>,
    parked: Parked,
    /// Whether everything in flight is being cancelled.
    stopping: bool,
}

impl Sockets {
    /// Returns the socket of a token, and adds it if it is new.
    #[inline]
    pub(super) fn add(&mut self, token: Token, fd: BorrowedFd<'_>) -> &mut Socket {
        let at = index(token);
        let known = self.sockets.get(at);
        if !known.is_some_and(|socket| socket.has(token)) {
            self.insert(token, fd);
        }
        &mut self.sockets[at]
    }

    #[cold]
    fn insert(&mut self, token: Token, fd: BorrowedFd<'_>) {
        let at = index(token);
        if at >= self.sockets.len() {
            self.sockets.resize(at + 1, VACANT);
        }
        let socket = &mut self.sockets[at];
        debug_assert_eq!(socket.fd, -1, "closed before its index is used again");
        *socket = Socket::new(token, fd);
    }

    fn get(&mut self, token: Token) -> Option<&mut Socket> {
        let socket = self.sockets.get_mut(index(token))?;
        socket.has(token).then_some(socket)
    }

    /// Returns the descriptor of a socket, if the ring still has it.
    pub(super) fn fd(&mut self, token: Token) -> Option<RawFd> {
        self.get(token).map(|socket| socket.fd)
    }

    /// Returns whether a receive or an accept is in flight.
    pub(super) fn is_armed(&mut self, token: Token) -> bool {
        self.get(token).is_some_and(|socket| socket.is(ARMED))
    }

    /// Returns the queue of a socket.
    pub(super) fn completions(&mut self, token: Token) -> SocketCompletions<'_> {
        let socket = self.sockets.get_mut(index(token));
        SocketCompletions {
            queues: &mut self.queues,
            head: socket
                .filter(|socket| socket.has(token))
                .map(|socket| &mut socket.head),
        }
    }

    /// Starts an operation, unless it is in flight.
    pub(super) fn request(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        what: Request,
        ring: &mut Ring,
    ) -> io::Result<()> {
        let socket = self.add(token, fd);
        if what == Request::Writable {
            if socket.is(WRITE_ARMED) {
                return Ok(());
            }
            socket.arm_write(token, ring)?;
        } else {
            socket.set(REQUESTED, true);
            if socket.is(ARMED) || socket.is(PARKED) {
                return Ok(());
            }
            socket.set(LISTENER, what == Request::Connection);
            socket.arm(token, ring)?;
        }
        self.note_active(token);
        Ok(())
    }

    /// Cancels the accept of a listener; returns whether the socket is one.
    pub(super) fn cancel_accept(&mut self, token: Token, ring: &mut Ring) -> bool {
        let Some(socket) = self.get(token).filter(|socket| socket.is(LISTENER)) else {
            return false;
        };
        socket.set(REQUESTED, false);
        socket.cancel(token, ring);
        true
    }

    /// Cancels the receive or the accept of a socket; returns whether one is in flight.
    pub(super) fn stop(&mut self, token: Token, ring: &mut Ring) -> bool {
        let Some(socket) = self.get(token) else {
            return false;
        };
        socket.set(REQUESTED, false);
        socket.cancel(token, ring);
        let in_flight = socket.is(ARMED);
        socket.set(STOPPING, in_flight);
        in_flight
    }

    /// Handles the completion of a receive or an accept.
    pub(super) fn complete(
        &mut self,
        token: Token,
        entry: &cqueue::Entry,
        buffers: &mut BufferRing,
        ring: &mut Ring,
        events: &mut Vec<Event>,
    ) {
        let (result, more) = (entry.result(), cqueue::more(entry.flags()));
        let chunk = cqueue::buffer_select(entry.flags())
            .map(|id| buffers.take(id, result.max(0).cast_unsigned()));
        let stopping = self.stopping;
        let Some(socket) = self.get(token) else {
            if entry.user_data() >> KIND_SHIFT == ACCEPT && result >= 0 {
                // SAFETY: the kernel has opened this descriptor for this accept.
                drop(unsafe { OwnedFd::from_raw_fd(result) });
            }
            return self.closing.complete(token, more);
        };
        socket.set(ARMED, more);
        if !more {
            socket.set(CANCELLING, false);
            if socket.is(STOPPING) {
                socket.set(STOPPING, false);
                events.push(Event {
                    token,
                    ready: Ready::READ,
                });
            }
        }
        if let Some(completion) = completion(result, chunk, socket.is(LISTENER)) {
            return self.deliver(token, completion, ring, events);
        }
        let released = socket.released(token);
        if released.is_none() && socket.is(REQUESTED) {
            socket.set(PARKED, stopping && result == -libc::ECANCELED);
            self.starved.push(token);
        }
        if result == -libc::ENOBUFS {
            buffers.ran_out();
        }
        events.extend(released);
    }

    /// Queues a completion and reports it.
    fn deliver(
        &mut self,
        token: Token,
        completion: Completion,
        ring: &mut Ring,
        events: &mut Vec<Event>,
    ) {
        let Some(socket) = self.sockets.get_mut(index(token)) else {
            return;
        };
        socket.set(REQUESTED, false);
        if let Completion::Bytes(chunk) = &completion {
            let single = chunk.is_full() || socket.is(SINGLE_SHOT) && chunk.len() >= SMALL;
            socket.set(SINGLE_SHOT, single);
        }
        let ends = matches!(completion, Completion::Error(_)) && !socket.is(LISTENER);
        let backlog = self.queues.push(&mut socket.head, completion);
        if ends {
            // As from the system: the error once, and then the end of input.
            self.queues.push(&mut socket.head, Completion::EndOfInput);
        }
        // No flow takes the bytes at the moment, or the buffers are for other sockets too.
        if backlog || socket.is(SINGLE_SHOT) {
            socket.cancel(token, ring);
        }
        events.push(Event {
            token,
            ready: Ready::READ,
        });
        events.extend(socket.released(token));
    }

    /// Handles the completion of a poll for writability.
    pub(super) fn complete_writable(&mut self, token: Token, events: &mut Vec<Event>) {
        let Some(socket) = self.get(token) else {
            return self.closing.complete_writable(token);
        };
        socket.set(WRITE_ARMED, false);
        events.extend(socket.released(token));
        events.push(Event {
            token,
            ready: Ready::WRITE,
        });
    }
}

/// Converts the result of a receive or an accept. Returns `None` if it must be armed again: it found no
/// buffer, was cancelled but is requested again, or was interrupted.
fn completion(result: i32, chunk: Option<Chunk>, is_listener: bool) -> Option<Completion> {
    match (result, chunk) {
        (fd @ 0.., _) if is_listener => {
            // SAFETY: the kernel has opened this descriptor for this accept.
            Some(Completion::Connection(unsafe { OwnedFd::from_raw_fd(fd) }))
        }
        (1.., Some(chunk)) => Some(Completion::Bytes(chunk)),
        (0.., _) => Some(Completion::EndOfInput),
        (error, _) => match -error {
            libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => None,
            errno => Some(Completion::Error(errno)),
        },
    }
}
