//! Sockets: what is under way for each, and what has come.
//!
//! A request names its socket by token, in the request's number, and an index may belong to another
//! socket by the time of the completion; so a socket that closes with requests under way goes on as a
//! [`Closing`] until the last of them is done, and its descriptor with it.
//!
//! ```text
//!             expect                    bytes              taken
//!   nothing ─────────► asked for ◄──────────────► waiting ───────► …
//!                         │  ENOBUFS: asked for again, with more buffers on offer
//!                         │  much untaken: cancelled, asked for again by the next `expect`
//!                         ▼
//!                   end, which stays, or an error, and then the end
//! ```

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, types};
use slab::Slab;

use super::arrivals::Node;
use super::buffers::Buffers;
use super::ring::Ring;
use super::socket::*;
use super::{ACCEPT, ROOM, TOKEN, number};
use crate::completion::{Completion, Request, Unclaimed};
use crate::{Event, Ready, Token};

/// A socket whose owner is gone.
struct Closing {
    /// Closed with this.
    _fd: OwnedFd,
    armed: bool,
    roomy: bool,
}

#[derive(Default)]
pub(super) struct Sockets {
    pub(super) all: Vec<Socket>,
    closing: HashMap<u64, Closing>,
    pub(super) came: Slab<Node>,
    /// To be asked for again with the next wait, when buffers are on offer.
    starved: Vec<Token>,
}

impl Sockets {
    /// The socket of a token, taken in by now.
    fn entry(&mut self, token: Token, fd: BorrowedFd<'_>) -> &mut Socket {
        let at = index(token);
        if at >= self.all.len() {
            self.all.resize(at + 1, VACANT);
        }
        let socket = &mut self.all[at];
        if !socket.has(token) {
            debug_assert_eq!(socket.fd, -1, "closed before its index is used again");
            *socket = Socket::new(token, fd);
        }
        socket
    }

    fn get(&mut self, token: Token) -> Option<&mut Socket> {
        let socket = self.all.get_mut(index(token))?;
        socket.has(token).then_some(socket)
    }

    /// Asks the kernel for what is wanted, unless that is under way.
    pub(super) fn request(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        what: Request,
        ring: &mut Ring,
    ) -> io::Result<()> {
        let socket = self.entry(token, fd);
        if what == Request::Writable {
            if socket.is(ROOMY) {
                return Ok(());
            }
            let look = opcode::PollAdd::new(types::Fd(socket.fd), libc::POLLOUT as u32).build();
            // SAFETY: it names no memory.
            unsafe { ring.push(&look.user_data(number(ROOM, token)))? };
            socket.set(ROOMY, true);
            return Ok(());
        }
        socket.set(WANTED, true);
        if socket.is(ARMED) {
            return Ok(());
        }
        socket.set(LISTENS, what == Request::Connection);
        socket.arm(token, ring)
    }

    /// Takes a socket in, if it is new.
    pub(super) fn take_in(&mut self, token: Token, fd: BorrowedFd<'_>) {
        self.entry(token, fd);
    }

    /// The descriptor of a socket that is there still.
    pub(super) fn fd(&mut self, token: Token) -> Option<RawFd> {
        self.get(token).map(|socket| socket.fd)
    }

    /// Stops accepting, if it is a listener. What has come stays.
    pub(super) fn cancel_accept(&mut self, token: Token, ring: &mut Ring) -> bool {
        let Some(socket) = self.get(token).filter(|socket| socket.is(LISTENS)) else {
            return false;
        };
        socket.set(WANTED, false);
        socket.cancel(token, ring);
        true
    }

    /// Takes in that bytes or connections have come, or won't.
    pub(super) fn came(
        &mut self,
        token: Token,
        done: &cqueue::Entry,
        buffers: &mut Buffers,
        ring: &mut Ring,
        events: &mut Vec<Event>,
    ) {
        let (result, more) = (done.result(), cqueue::more(done.flags()));
        let chunk = cqueue::buffer_select(done.flags())
            .map(|id| buffers.take(id, result.max(0).cast_unsigned()));
        let Some(socket) = self.get(token) else {
            if done.user_data() >> 60 == ACCEPT && result >= 0 {
                // SAFETY: the kernel made it for us.
                drop(unsafe { OwnedFd::from_raw_fd(result) });
            }
            return self.closed(token, |closing| closing.armed &= more);
        };
        socket.set(ARMED, more);
        if !more {
            socket.set(CANCELLED, false);
        }
        let listens = socket.is(LISTENS);
        let came = match (result, chunk) {
            (fd @ 0.., _) if listens => {
                // SAFETY: the kernel made it for us.
                Completion::Connection(unsafe { OwnedFd::from_raw_fd(fd) })
            }
            (1.., Some(chunk)) => {
                socket.set(BULK, chunk.is_full());
                Completion::Bytes(chunk)
            }
            (0.., _) => Completion::EndOfInput,
            (error, _) => match -error {
                // Out of buffers; or asked for again meanwhile, or interrupted.
                libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {
                    let leaves = socket.left(token);
                    if leaves.is_none() && socket.is(WANTED) {
                        self.starved.push(token);
                    }
                    if error == -libc::ENOBUFS {
                        buffers.ran_out();
                    }
                    return events.extend(leaves);
                }
                errno => Completion::Error(errno),
            },
        };
        socket.set(WANTED, false);
        let failed = matches!(came, Completion::Error(_));
        // Nobody takes it at the moment: enough is enough.
        let over = self.keep(token, came);
        if failed && !listens {
            // As the system would: the error once, and then the end.
            self.keep(token, Completion::EndOfInput);
        }
        let Some(socket) = self.get(token) else {
            return;
        };
        if more && (over || socket.is(BULK)) {
            socket.cancel(token, ring);
        }
        events.push(Event {
            token,
            ready: Ready::READ,
        });
        if socket.is(LEAVES) {
            events.extend(socket.left(token));
        }
    }

    /// Takes in that there is room to send.
    pub(super) fn room(&mut self, token: Token, events: &mut Vec<Event>) {
        let Some(socket) = self.get(token) else {
            return self.closed(token, |closing| closing.roomy = false);
        };
        socket.set(ROOMY, false);
        events.extend(socket.left(token));
        events.push(Event {
            token,
            ready: Ready::WRITE,
        });
    }

    /// Asks again for those that found no buffer.
    pub(super) fn feed(&mut self, ring: &mut Ring) -> io::Result<()> {
        while let Some(token) = self.starved.pop() {
            let socket = self.get(token);
            let socket = socket.filter(|it| !it.is(ARMED) && !it.is(LEAVES));
            if let Some(Err(error)) = socket.map(|socket| socket.arm(token, ring)) {
                self.starved.push(token);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Closes the socket when nothing of it is under way; says whether that should be at once.
    pub(super) fn close(&mut self, token: Token, fd: OwnedFd, ring: &mut Ring) -> bool {
        let Some(socket) = self.get(token) else {
            drop(fd);
            return false;
        };
        socket.still(token, ring);
        let gone = std::mem::replace(socket, VACANT);
        self.forget(gone.first);
        if !gone.is_under_way() {
            shut(fd, ring);
            return gone.is(LISTENS);
        }
        let closing = Closing {
            _fd: fd,
            armed: gone.is(ARMED),
            roomy: gone.is(ROOMY),
        };
        self.closing.insert(token.0 as u64 & TOKEN, closing);
        gone.is(LISTENS)
    }

    /// Whether a socket whose owner is gone has requests under way.
    pub(super) fn is_closing(&self, token: Token) -> bool {
        self.closing.contains_key(&(token.0 as u64 & TOKEN))
    }

    fn closed(&mut self, token: Token, change: impl FnOnce(&mut Closing)) {
        let key = token.0 as u64 & TOKEN;
        if let Some(closing) = self.closing.get_mut(&key) {
            change(closing);
            if !closing.armed && !closing.roomy {
                self.closing.remove(&key);
            }
        }
    }

    /// Gives the socket up with what has come; `None` while requests are under way.
    pub(super) fn release(&mut self, token: Token, ring: &mut Ring) -> Option<Unclaimed> {
        let Some(socket) = self.get(token) else {
            return Some(Unclaimed::default());
        };
        socket.set(LEAVES, true);
        socket.set(WANTED, false);
        if socket.is_under_way() {
            socket.still(token, ring);
            return None;
        }
        let gone = std::mem::replace(socket, VACANT);
        Some(Unclaimed {
            completions: self.forget(gone.first),
        })
    }

    /// Takes back what had come.
    pub(super) fn restore(&mut self, token: Token, left: Unclaimed) {
        if self.get(token).is_some() {
            for came in left.completions {
                self.keep(token, came);
            }
        }
    }

    /// Ends everything that is under way. Who waits is heard again with the next wait.
    pub(super) fn cancel_all(&mut self, ring: &mut Ring) {
        for (at, socket) in self.all.iter_mut().enumerate() {
            socket.still(socket.token(at), ring);
        }
    }

    /// Whether the kernel has no requests of these sockets.
    pub(super) fn are_still(&self) -> bool {
        self.closing.is_empty() && !self.all.iter().any(Socket::is_under_way)
    }

    /// Takes out what has come.
    pub(super) fn take_left(&mut self) -> Vec<(Token, Unclaimed)> {
        let mut all = Vec::new();
        for at in 0..self.all.len() {
            let socket = &mut self.all[at];
            let token = socket.token(at);
            let first = std::mem::replace(&mut socket.first, NONE);
            if first != NONE {
                let came = self.forget(first);
                all.push((token, Unclaimed { completions: came }));
            }
        }
        all
    }

    pub(super) fn is_requested(&mut self, token: Token) -> bool {
        self.get(token).is_some_and(|socket| socket.is(ARMED))
    }
}
