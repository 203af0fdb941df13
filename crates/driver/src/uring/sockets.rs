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
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};
use slab::Slab;

use super::buffers::{Buffers, GROUP};
use super::outbox::{Fate, Outbox};
use super::ring::Ring;
use super::{ACCEPT, NOTHING, RECV, ROOM, number};
use crate::complete::{self, Came, Expect, Inbox, Left, Queue};
use crate::{Chunk, Event, Ready, Token};

pub(super) const NONE: u32 = u32::MAX;

/// Bytes of the token that a request's number has room for.
pub(super) const TOKEN: u64 = (1 << 59) - 1;

/// Connections that are accepted ahead at most, but for those of one turn.
const AHEAD: usize = 16;

#[derive(Clone, Copy)]
struct Socket {
    /// -1 for none.
    fd: RawFd,
    generation: u32,
    /// The first of what has come, in `Sockets::came`.
    first: u32,
    /// What is to be sent, in `Outbox`.
    out: u32,
    flags: u16,
}

/// Bytes or connections go on coming.
const ARMED: u16 = 1;
/// That was cancelled, and will end.
const CANCELLED: u16 = 2;
/// Somebody waits for bytes or connections.
const WANTED: u16 = 4;
/// It listens.
const LISTENS: u16 = 8;
/// Its last bytes filled a buffer: one at a time, so that it leaves others to others.
const BULK: u16 = 16;
/// A look at whether there is room to send is under way.
const LOOKS: u16 = 32;
/// What was taken from it could not be sent.
const BROKEN: u16 = 128;
/// Somebody waits until what was taken is sent.
const AWAITED: u16 = 256;
/// It is to be given up; its loop hears of it when nothing is under way.
const LEAVES: u16 = 64;

const VACANT: Socket = Socket {
    fd: -1,
    generation: 0,
    first: NONE,
    out: NONE,
    flags: 0,
};

impl Socket {
    fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u16, on: bool) {
        self.flags = if on {
            self.flags | flag
        } else {
            self.flags & !flag
        };
    }

    fn is_idle(&self) -> bool {
        !self.is(ARMED) && !self.is(LOOKS) && self.out == NONE
    }
}

/// A socket whose owner is gone.
struct Closing {
    /// Closed with this.
    _fd: OwnedFd,
    armed: bool,
    looks: bool,
    out: u32,
}

struct Node {
    came: Came,
    next: u32,
}

#[derive(Default)]
pub(super) struct Sockets {
    all: Vec<Socket>,
    closing: HashMap<u64, Closing>,
    came: Slab<Node>,
    /// To be asked for again with the next wait, when buffers are on offer.
    starved: Vec<Token>,
}

fn index(token: Token) -> usize {
    token.0 as u32 as usize
}

fn generation(token: Token) -> u32 {
    ((token.0 as u64 & TOKEN) >> 32) as u32
}

impl Sockets {
    /// The socket of a token, taken in by now.
    fn entry(&mut self, token: Token, fd: BorrowedFd<'_>) -> &mut Socket {
        let at = index(token);
        if at >= self.all.len() {
            self.all.resize(at + 1, VACANT);
        }
        let socket = &mut self.all[at];
        if socket.fd == -1 || socket.generation != generation(token) {
            debug_assert_eq!(socket.fd, -1, "closed before its index is used again");
            *socket = Socket {
                fd: fd.as_raw_fd(),
                generation: generation(token),
                ..VACANT
            };
        }
        socket
    }

    fn get(&mut self, token: Token) -> Option<&mut Socket> {
        let socket = self.all.get_mut(index(token))?;
        (socket.fd != -1 && socket.generation == generation(token)).then_some(socket)
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
                libc::ENOBUFS => {
                    buffers.grow();
                    return self.starved.push(token);
                }
                // Asked for again meanwhile, or interrupted.
                libc::ECANCELED | libc::EINTR | libc::EAGAIN => {
                    if socket.is(LEAVES) {
                        events.extend(socket.left(token));
                    } else if socket.is(WANTED) {
                        self.starved.push(token);
                    }
                    return;
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

    /// Keeps what has come behind what came before; says how much that is, or nothing where bytes found
    /// room in the chunk of those before them.
    fn keep(&mut self, token: Token, came: Came) -> usize {
        let Some(socket) = self.all.get(index(token)) else {
            return 0;
        };
        let (mut count, mut last) = (0, NONE);
        let mut next = socket.first;
        while next != NONE {
            (last, count) = (next, count + 1);
            next = self.came[next as usize].next;
        }
        if let (Some(node), Came::Bytes(chunk)) = (self.came.get_mut(last as usize), &came)
            && let Came::Bytes(before) = &mut node.came
            && before.append(chunk)
        {
            return 0;
        }
        let at = self.came.insert(Node { came, next: NONE }) as u32;
        match self.came.get_mut(last as usize) {
            Some(node) => node.next = at,
            None => self.all[index(token)].first = at,
        }
        count
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
            if let Some(socket) = self.get(token).filter(|socket| !socket.is(ARMED)) {
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

    fn forget(&mut self, mut next: u32) -> std::collections::VecDeque<Came> {
        let mut came = std::collections::VecDeque::new();
        while next != NONE {
            let node = self.came.remove(next as usize);
            came.push_back(node.came);
            next = node.next;
        }
        came
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
            let token = Token((u64::from(socket.generation) << 32 | at as u64) as usize);
            socket.cancel(token, ring);
            if socket.is(LOOKS) {
                cancel(number(ROOM, token), ring);
            }
        }
    }

    /// Whether the kernel has no requests of these sockets.
    pub(super) fn are_still(&self) -> bool {
        let under_way = ARMED | LOOKS;
        let closing = self.closing.values();
        self.all.iter().all(|socket| socket.flags & under_way == 0)
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
                let token = u64::from(self.all[at].generation) << 32 | at as u64;
                all.entry(token as usize).or_default().came = self.forget(first);
            }
        }
        all.into_iter()
            .map(|(token, left)| (Token(token), left))
            .collect()
    }

    pub(super) fn expects(&mut self, token: Token) -> bool {
        self.get(token).is_some_and(|socket| socket.is(ARMED))
    }

    fn head(&self, token: Token) -> u32 {
        let socket = self.all.get(index(token));
        socket.map_or(NONE, |socket| socket.first)
    }
}

impl Socket {
    fn arm(&mut self, token: Token, ring: &mut Ring) -> io::Result<()> {
        let fd = types::Fd(self.fd);
        let request = if self.is(LISTENS) {
            let accept = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC);
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

    fn cancel(&mut self, token: Token, ring: &mut Ring) {
        if !self.is(ARMED) || self.is(CANCELLED) {
            return;
        }
        let what = if self.is(LISTENS) { ACCEPT } else { RECV };
        cancel(number(what, token), ring);
        self.set(CANCELLED, true);
    }

    /// The event for a socket that is to be given up and now can be.
    fn left(&self, token: Token) -> Option<Event> {
        (self.is(LEAVES) && self.is_idle()).then_some(Event {
            token,
            ready: Ready::READ | Ready::WRITE | Ready::HANG_UP,
        })
    }
}

/// Ends a request; it has a completion of its own then.
pub(super) fn cancel(request: u64, ring: &mut Ring) {
    let cancel = opcode::AsyncCancel::new(request).build();
    let cancel = cancel.flags(squeue::Flags::SKIP_SUCCESS);
    // SAFETY: it names no memory.
    let _ = unsafe { ring.push(&cancel.user_data(NOTHING << 60)) };
}

/// Closes a descriptor with the next wait, or now where that can't be.
fn shut(fd: OwnedFd, ring: &mut Ring) {
    let close = opcode::Close::new(types::Fd(fd.as_raw_fd())).build();
    let close = close.flags(squeue::Flags::SKIP_SUCCESS);
    // SAFETY: it names no memory, and the number is nobody else's before it is closed.
    match unsafe { ring.push(&close.user_data(NOTHING << 60)) } {
        Ok(()) => drop(fd.into_raw_fd()),
        Err(_) => drop(fd),
    }
}

/// What has come for one socket.
pub(super) struct Arrivals<'a>(pub(super) &'a mut Sockets, pub(super) Token);

impl Queue for Arrivals<'_> {
    fn pop(&mut self) -> Option<Came> {
        let first = self.0.head(self.1);
        let node = self.0.came.try_remove(first as usize)?;
        self.0.all[index(self.1)].first = node.next;
        Some(node.came)
    }

    fn front(&mut self) -> Option<&mut Came> {
        let first = self.0.head(self.1);
        self.0
            .came
            .get_mut(first as usize)
            .map(|node| &mut node.came)
    }
}

impl Inbox for Arrivals<'_> {
    fn recv(&mut self) -> io::Result<(Chunk, bool)> {
        complete::recv(self)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        complete::read(self, buffer)
    }

    fn accept(&mut self) -> io::Result<(OwnedFd, bool)> {
        complete::accept(self)
    }

    fn is_empty(&self) -> bool {
        self.0.head(self.1) == NONE
    }
}
