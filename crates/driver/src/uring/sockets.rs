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
//!                   end, or an error, which stay
//! ```

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, types};
use slab::Slab;

use super::arrivals::Node;
use super::buffers::Buffers;
use super::outbox::{Fate, Outbox};
use super::ring::Ring;
use super::socket::*;
use super::{ACCEPT, ROOM, TOKEN, number};
use crate::complete::{Came, Expect, Left};
use crate::{Event, Ready, Token};

/// Connections that are accepted ahead at most, but for those of one turn.
const AHEAD: usize = 16;

/// A socket whose owner is gone.
struct Closing {
    /// Closed with this.
    _fd: OwnedFd,
    armed: bool,
    looks: bool,
    out: u32,
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
    pub(super) fn expect(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        what: Expect,
        (ring, outbox): (&mut Ring, &mut Outbox),
    ) -> io::Result<()> {
        let socket = self.entry(token, fd);
        if what == Expect::Room {
            // What is being sent tells when it is done.
            if socket.out != NONE {
                socket.set(AWAITED, true);
                outbox.urge(socket.out);
                return Ok(());
            }
            if socket.is(LOOKS) {
                return Ok(());
            }
            let look = opcode::PollAdd::new(types::Fd(socket.fd), libc::POLLOUT as u32).build();
            // SAFETY: it names no memory.
            unsafe { ring.push(&look.user_data(number(ROOM, token)))? };
            socket.set(LOOKS, true);
            return Ok(());
        }
        socket.set(WANTED, true);
        if socket.is(ARMED) {
            return Ok(());
        }
        socket.set(LISTENS, what == Expect::Connections);
        socket.arm(token, ring)
    }

    /// Stops accepting. What has come stays.
    pub(super) fn pause(&mut self, token: Token, ring: &mut Ring) {
        if let Some(socket) = self.get(token).filter(|socket| socket.is(LISTENS)) {
            socket.set(WANTED, false);
            socket.cancel(token, ring);
        }
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
                Came::Connection(unsafe { OwnedFd::from_raw_fd(fd) })
            }
            (1.., Some(chunk)) => {
                socket.set(BULK, chunk.is_full());
                Came::Bytes(chunk)
            }
            (0.., _) => Came::End,
            (error, _) => match -error {
                // Out of buffers; or asked for again meanwhile, or interrupted.
                libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {
                    let leaves = socket.left(token);
                    if leaves.is_none() && (socket.is(WANTED) || error == -libc::ENOBUFS) {
                        self.starved.push(token);
                    }
                    if error == -libc::ENOBUFS {
                        buffers.grow();
                    }
                    return events.extend(leaves);
                }
                errno => Came::Failed(errno),
            },
        };
        socket.set(WANTED, false);
        let failed = matches!(came, Came::Failed(_));
        let over = match self.keep(token, came) {
            0 => false,
            // Nobody takes it at the moment: enough is enough.
            count if listens => count >= AHEAD,
            _ => true,
        };
        if failed && !listens {
            // As the system would: the error once, and then the end.
            self.keep(token, Came::End);
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
            return self.closed(token, |closing| closing.looks = false);
        };
        socket.set(LOOKS, false);
        events.extend(socket.left(token));
        events.push(Event {
            token,
            ready: Ready::WRITE,
        });
    }

    /// Takes in that all was sent, or could not be.
    pub(super) fn sent(&mut self, token: Token, fate: Fate, events: &mut Vec<Event>) {
        let Some(socket) = self.get(token) else {
            return self.closed(token, |closing| closing.out = NONE);
        };
        socket.out = NONE;
        socket.set(BROKEN, matches!(fate, Fate::Broken));
        events.extend(socket.left(token));
        if socket.is(AWAITED) {
            socket.set(AWAITED, false);
            events.push(Event {
                token,
                ready: Ready::WRITE,
            });
        }
    }

    /// Takes bytes to be sent.
    pub(super) fn send(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        outbox: &mut Outbox,
    ) -> io::Result<usize> {
        let socket = self.entry(token, fd);
        let at = (socket.out != NONE).then_some(socket.out);
        if at.is_none() && (socket.is(BROKEN) || !Outbox::takes(bytes.len())) {
            // Where bytes were lost, the system tells why.
            return Outbox::send_now(fd, bytes);
        }
        let Some((at, length)) = outbox.write(at, token, socket.fd, bytes) else {
            socket.set(AWAITED, true);
            outbox.urge(socket.out);
            return Err(io::ErrorKind::WouldBlock.into());
        };
        socket.out = at;
        Ok(length)
    }

    /// Ends the output behind what is to be sent; says whether there is anything.
    pub(super) fn shutdown_write(&mut self, token: Token, outbox: &mut Outbox) -> bool {
        let out = self.get(token).map_or(NONE, |socket| socket.out);
        outbox.shut(out)
    }

    /// Asks again for those that found no buffer.
    pub(super) fn feed(&mut self, ring: &mut Ring) -> io::Result<()> {
        for token in std::mem::take(&mut self.starved) {
            if let Some(socket) = self.get(token).filter(|it| !it.is(ARMED) && !it.is(LEAVES)) {
                socket.arm(token, ring)?;
            }
        }
        Ok(())
    }

    /// Closes the socket when nothing of it is under way; says whether that should be at once.
    pub(super) fn close(
        &mut self,
        token: Token,
        fd: OwnedFd,
        (ring, outbox): (&mut Ring, &mut Outbox),
    ) -> bool {
        let Some(socket) = self.get(token) else {
            drop(fd);
            return false;
        };
        if socket.is(ARMED) {
            socket.cancel(token, ring);
        }
        let gone = std::mem::replace(socket, VACANT);
        self.forget(gone.first);
        if gone.is_idle() {
            shut(fd, ring);
            return gone.is(LISTENS);
        }
        outbox.urge(gone.out);
        let closing = Closing {
            _fd: fd,
            armed: gone.is(ARMED),
            looks: gone.is(LOOKS),
            out: gone.out,
        };
        self.closing.insert(token.0 as u64 & TOKEN, closing);
        gone.is(LISTENS)
    }

    fn closed(&mut self, token: Token, change: impl FnOnce(&mut Closing)) {
        let key = token.0 as u64 & TOKEN;
        if let Some(closing) = self.closing.get_mut(&key) {
            change(closing);
            if !closing.armed && !closing.looks && closing.out == NONE {
                self.closing.remove(&key);
            }
        }
    }

    /// Gives the socket up with what has come; `None` while requests are under way.
    pub(super) fn release(
        &mut self,
        token: Token,
        (ring, outbox): (&mut Ring, &mut Outbox),
    ) -> Option<Left> {
        let Some(socket) = self.get(token) else {
            return Some(Left::default());
        };
        socket.set(LEAVES, true);
        socket.set(WANTED, false);
        if !socket.is_idle() {
            outbox.urge(socket.out);
            socket.cancel(token, ring);
            if socket.is(LOOKS) {
                cancel(number(ROOM, token), ring);
            }
            return None;
        }
        let gone = std::mem::replace(socket, VACANT);
        Some(Left {
            came: self.forget(gone.first),
            unsent: Vec::new(),
        })
    }

    /// Takes back what had come; says which descriptor it is of, if that is known still.
    pub(super) fn restore(&mut self, token: Token, left: Left) -> Option<RawFd> {
        let fd = self.get(token)?.fd;
        for came in left.came {
            self.keep(token, came);
        }
        Some(fd)
    }

    /// Ends everything that is under way. Who waits is heard again with the next wait.
    pub(super) fn cancel_all(&mut self, ring: &mut Ring) {
        for (at, socket) in self.all.iter_mut().enumerate() {
            let token = socket.token(at);
            socket.cancel(token, ring);
            if socket.is(LOOKS) {
                cancel(number(ROOM, token), ring);
            }
        }
    }

    /// Whether the kernel has no requests of these sockets.
    pub(super) fn are_still(&self) -> bool {
        let closing = self.closing.values();
        !self.all.iter().any(Socket::is_under_way)
            && closing
                .clone()
                .all(|closing| !closing.armed && !closing.looks)
    }

    /// Takes out what has come, and what could not be sent.
    pub(super) fn take_left(&mut self, unsent: Vec<(Token, Vec<u8>)>) -> Vec<(Token, Left)> {
        let mut all = HashMap::<usize, Left>::new();
        for (token, unsent) in unsent {
            match self.get(token) {
                Some(socket) => {
                    socket.out = NONE;
                    all.entry(token.0).or_default().unsent = unsent;
                }
                // Its owner is gone, and the client did not take it in time.
                None => self.closed(token, |closing| closing.out = NONE),
            }
        }
        for at in 0..self.all.len() {
            let first = std::mem::replace(&mut self.all[at].first, NONE);
            if first != NONE {
                let token = self.all[at].token(at);
                all.entry(token.0).or_default().came = self.forget(first);
            }
        }
        all.into_iter()
            .map(|(token, left)| (Token(token), left))
            .collect()
    }

    pub(super) fn expects(&mut self, token: Token) -> bool {
        self.get(token).is_some_and(|socket| socket.is(ARMED))
    }
}
