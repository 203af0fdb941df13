//! What drivers that answer "what is done?" do for sockets, beside what every driver does.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Poll, Waker};

use crate::{Chunk, Token};

/// Operations on sockets that the kernel carries out by itself.
///
/// A socket is known by its [`Token`], the one its events carry: the lower 32 bits are an index and
/// should be small numbers, the next 23 tell those apart that use an index one after another. (So a
/// completion driver needs tokens of 64 bits.) It is taken in with the first operation and belongs to
/// the driver until [`close`](CompletionDriver::close) or [`release`](CompletionDriver::release).
///
/// Nothing here blocks, except [`quiesce`](CompletionDriver::quiesce). Calls say `WouldBlock` until the
/// kernel is done; then there is an event. What has come is kept until it is taken, so that a caller
/// may lose interest at any moment.
pub trait CompletionDriver {
    /// Asks for bytes until they are taken no more, or for one connection where `fd` listens.
    ///
    /// # Errors
    /// The system's, where the kernel takes no more requests.
    fn request(&mut self, token: Token, fd: BorrowedFd<'_>, what: Request) -> io::Result<()>;

    /// Calls `f` with what has come for a socket.
    fn completions(&mut self, token: Token, f: &mut dyn FnMut(&mut dyn Completions));

    /// Whether bytes or connections were asked for and go on coming.
    fn is_requested(&mut self, token: Token) -> bool;

    /// Takes back that a connection was asked for, and says whether one was; what has come stays.
    fn cancel_accept(&mut self, token: Token) -> bool;

    /// Has bytes sent with the next wait, and says under which number the answer [will be
    /// had](CompletionDriver::poll_posted), `waker` being [told](CompletionDriver::take_wakers). `None` where it is better to
    /// send them at once.
    ///
    /// A writer that gives up before the answer does not know whether the bytes are sent. Where that
    /// matters they are not to be posted.
    fn post(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<u32>;

    /// How many of the bytes that were posted the kernel took, or why not. The number is used up then.
    fn poll_posted(&mut self, number: u32, waker: &Waker) -> Poll<io::Result<usize>>;

    /// Gives up bytes that were posted, and their number.
    fn withdraw(&mut self, number: u32);

    /// Sends what was posted now, as before something that holds this thread.
    fn flush(&mut self);

    /// Adds wakers of those for whom there is an answer since the last wait.
    fn take_wakers(&mut self, wakers: &mut Vec<Waker>);

    /// Closes `fd` once the kernel is done with it; a listener's at once.
    fn close(&mut self, token: Token, fd: OwnedFd);

    /// Gives the socket up with what has come and not been taken; `None` while the kernel is still
    /// at it: then there is an event when it is worth asking again.
    fn release(&mut self, token: Token) -> Option<Unclaimed>;

    /// Takes back what [`quiesce`](CompletionDriver::quiesce) gave up.
    fn restore(&mut self, token: Token, left: Unclaimed);

    /// Ends all that is under way, and gives up what has come and not been taken. Blocks for as long as
    /// the kernel takes to cancel.
    fn quiesce(&mut self) -> Vec<(Token, Unclaimed)>;
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Bytes of a connection, as they come.
    Bytes,
    /// A connection of a listener; for once.
    Connection,
    /// Room to send; for once.
    Writable,
}

/// What has come for a socket. Calls say `WouldBlock` when it is empty. With bytes comes whether
/// there is more.
pub trait Completions {
    /// Takes bytes; an empty chunk is the end of input.
    ///
    /// # Errors
    /// `WouldBlock`; what the kernel said of the connection.
    fn recv(&mut self) -> io::Result<(Chunk, bool)>;

    /// Takes bytes by copying them; zero is the end of input.
    ///
    /// # Errors
    /// As [`recv`](Completions::recv).
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)>;

    /// Takes a connection.
    ///
    /// # Errors
    /// `WouldBlock`; what the kernel said of the listener.
    fn accept(&mut self) -> io::Result<OwnedFd>;

    /// Whether nothing is there to take.
    fn is_empty(&self) -> bool;
}

/// One thing that has come.
pub(crate) enum Came {
    Bytes(Chunk),
    Connection(OwnedFd),
    /// No more will.
    End,
    /// The system's error.
    Failed(i32),
}

/// What a driver had for a socket when it gave it up. Who takes the socket over takes from here first.
#[derive(Default)]
pub struct Unclaimed {
    pub(crate) came: VecDeque<Came>,
}

impl Unclaimed {
    /// Adds what was left later.
    pub fn append(&mut self, mut later: Unclaimed) {
        self.came.append(&mut later.came);
    }
}

/// A place from which things are taken, in the order they came.
pub(crate) trait Queue {
    fn pop(&mut self) -> Option<Came>;
    fn front(&mut self) -> Option<&mut Came>;
}

impl Queue for VecDeque<Came> {
    fn pop(&mut self) -> Option<Came> {
        self.pop_front()
    }

    fn front(&mut self) -> Option<&mut Came> {
        self.front_mut()
    }
}

pub(crate) fn recv(queue: &mut dyn Queue) -> io::Result<(Chunk, bool)> {
    match queue.front() {
        // It stays, since every further read finds it again.
        Some(Came::End) => return Ok((Chunk::empty(), true)),
        None => return Err(io::ErrorKind::WouldBlock.into()),
        Some(_) => {}
    }
    match queue.pop() {
        Some(Came::Bytes(chunk)) => Ok((chunk, queue.front().is_some())),
        Some(Came::Failed(error)) => Err(io::Error::from_raw_os_error(error)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

pub(crate) fn read(queue: &mut dyn Queue, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    let Some(Came::Bytes(chunk)) = queue.front() else {
        return recv(queue).map(|(_, more)| (0, more));
    };
    let length = chunk.take(buffer);
    if chunk.is_empty() {
        queue.pop();
    }
    Ok((length, queue.front().is_some()))
}

pub(crate) fn accept(queue: &mut dyn Queue) -> io::Result<OwnedFd> {
    match queue.pop() {
        Some(Came::Connection(fd)) => Ok(fd),
        Some(Came::Failed(error)) => Err(io::Error::from_raw_os_error(error)),
        Some(Came::Bytes(_) | Came::End) => Err(io::ErrorKind::InvalidInput.into()),
        None => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Completions for Unclaimed {
    fn recv(&mut self) -> io::Result<(Chunk, bool)> {
        recv(&mut self.came)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        read(&mut self.came, buffer)
    }

    fn accept(&mut self) -> io::Result<OwnedFd> {
        accept(&mut self.came)
    }

    fn is_empty(&self) -> bool {
        self.came.is_empty()
    }
}
