//! Completion drivers: operations on sockets, and the completions they leave.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Poll, Waker};

use crate::{Chunk, Token};

/// A driver that carries operations on sockets out and reports their completions.
///
/// A socket is known by its [`Token`], which its events carry. The lower 32 bits are an index, which
/// should be a small number; the next 23 bits are a generation, which tells apart the sockets that
/// use one index after another. (A completion driver therefore needs tokens of 64 bits.) The first
/// operation adds the socket; [`close`](CompletionDriver::close) or
/// [`release`](CompletionDriver::release) removes it.
///
/// Only [`quiesce`](CompletionDriver::quiesce) and the close of a listener may block. Other calls
/// fail with `WouldBlock` until there is a completion, which an event announces. Completions are
/// kept until they are taken, so a caller may stop waiting at any time and loses nothing.
///
/// ```
/// use std::{io::Write, os::fd::AsFd, os::unix::net::UnixStream};
/// use switchboard_driver::{CompletionDriver, Driver, Request, Token};
///
/// # let driver = Driver::auto();
/// # if driver != Driver::Uring { return Ok(()); }
/// let mut poller = driver.open()?;
/// let (here, mut there) = UnixStream::pair()?;
/// there.write_all(b"hello")?;
///
/// let token = Token(0);
/// let completion = poller.completion_driver().unwrap();
/// completion.request(token, here.as_fd(), Request::Bytes)?;
/// let mut events = Vec::new();
/// poller.wait(&mut events, None)?;
///
/// let completion = poller.completion_driver().unwrap();
/// completion.completions(token, &mut |completions| {
///     let (chunk, _more) = completions.recv().unwrap();
///     assert_eq!(&chunk[..], b"hello");
/// });
/// completion.close(token, here.into());
/// # std::io::Result::Ok(())
/// ```
pub trait CompletionDriver {
    /// Starts an operation, unless it is in flight. Bytes are received for as long as they are
    /// taken; a connection is accepted once.
    ///
    /// # Errors
    /// The system's error if the kernel accepts no more requests.
    fn request(&mut self, token: Token, fd: BorrowedFd<'_>, what: Request) -> io::Result<()>;

    /// Calls `f` with the completions of a socket.
    fn completions(&mut self, token: Token, f: &mut dyn FnMut(&mut dyn Completions));

    /// Takes the next bytes of a socket, as [`Completions::recv`] does, which is what sockets do most.
    ///
    /// # Errors
    /// `WouldBlock` if there is no completion; the system's error of the receive.
    fn recv(&mut self, token: Token) -> io::Result<(Chunk, bool)> {
        let mut taken = Err(io::ErrorKind::WouldBlock.into());
        self.completions(token, &mut |all| taken = all.recv());
        taken
    }

    /// Returns whether a receive or an accept is in flight.
    fn is_requested(&mut self, token: Token) -> bool;

    /// Cancels the accept of a listener and returns whether the socket is one. A connection that was
    /// accepted before stays among the completions.
    fn cancel_accept(&mut self, token: Token) -> bool;

    /// Cancels the receive or the accept of a socket, and returns whether one is in flight. An event says when
    /// it has ended. What was received or accepted before stays among the completions.
    fn stop(&mut self, token: Token) -> bool;

    /// Queues bytes to be sent with the next wait. Returns the number under which
    /// [`poll_posted`](CompletionDriver::poll_posted) finds the result;
    /// [`take_wakers`](CompletionDriver::take_wakers) returns `waker` when it is there. Returns
    /// `None` if it is cheaper to send the bytes at once.
    ///
    /// A writer that gives up before the result is there does not know whether the bytes are sent.
    /// Where that matters, do not post them.
    fn post(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<u32>;

    /// Returns how many of the posted bytes the kernel took, or its error. The number is invalid
    /// after that.
    fn poll_posted(&mut self, number: u32, waker: &Waker) -> Poll<io::Result<usize>>;

    /// Gives up the result of posted bytes, and their number. Bytes that are not submitted yet are
    /// not sent.
    fn withdraw(&mut self, number: u32);

    /// Queues bytes as [`post`](CompletionDriver::post) does, for a writer that goes on at once: `waker` is
    /// woken only if the kernel did not take all of them, or after
    /// [`poll_later`](CompletionDriver::poll_later). Returns `None` if it is cheaper to send them at once.
    fn send_later(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<Later>;

    /// Adds bytes to those that are sent later. Returns whether it did: not if they are submitted already,
    /// or if there is no space behind them. `None` if all of them are sent.
    fn extend_later(&mut self, later: Later, bytes: &[u8]) -> Option<bool>;

    /// Returns the bytes that the kernel did not take, once it was given them; none as a rule. If there are
    /// any, or an error, this has to be called once. A waker is woken when it is time for another call.
    ///
    /// # Errors
    /// The system's error of the send.
    fn poll_later(&mut self, later: Later, waker: Option<&Waker>) -> Poll<io::Result<Box<[u8]>>>;

    /// Gives up bytes that are sent later. Those that are not submitted yet are not sent.
    fn withdraw_later(&mut self, later: Later);

    /// Moves the wakers of writers that were not needed to `wakers`. They are to be dropped.
    fn take_unneeded(&mut self, wakers: &mut Vec<Waker>);

    /// Sends posted bytes now, for a caller that is about to block this thread.
    fn flush(&mut self);

    /// Appends the wakers of the writers whose results have come since the last call.
    fn take_wakers(&mut self, wakers: &mut Vec<Waker>);

    /// Removes a socket and closes `fd` when the kernel has ended its operations. A listener is
    /// closed before this returns, so that later clients are refused.
    fn close(&mut self, token: Token, fd: OwnedFd);

    /// Removes a socket and returns its completions. Returns `None` while operations are in flight,
    /// and cancels them; an event then says when to call again.
    fn release(&mut self, token: Token) -> Option<Unclaimed>;

    /// Returns completions that [`quiesce`](CompletionDriver::quiesce) took to their socket.
    fn restore(&mut self, token: Token, unclaimed: Unclaimed);

    /// Cancels every operation and takes every completion. Blocks until the kernel has cancelled
    /// them, for one second at most; completions of a ring that fails are lost.
    fn quiesce(&mut self) -> Vec<(Token, Unclaimed)>;
}

/// Bytes that [`CompletionDriver::send_later`] took. Once they are sent, it names nothing.
///
/// ```
/// use std::{io::Read, os::fd::AsFd, os::unix::net::UnixStream, task::{Poll, Waker}};
/// use switchboard_driver::{CompletionDriver, Driver, Later, Token};
///
/// # let driver = Driver::auto();
/// # if driver != Driver::Uring { return Ok(()); }
/// let mut poller = driver.open()?;
/// let (mut there, here) = UnixStream::pair()?;
/// let (others, other) = UnixStream::pair()?;
/// let uring = poller.completion_driver().unwrap();
/// // The first bytes of a turn are better sent at once.
/// assert_eq!(uring.send_later(Token(1), other.as_fd(), b"!", Waker::noop()), None);
/// let later: Later = uring.send_later(Token(0), here.as_fd(), b"hel", Waker::noop()).unwrap();
/// assert_eq!(uring.extend_later(later, b"lo"), Some(true));
/// uring.flush();
/// assert!(matches!(uring.poll_later(later, None), Poll::Ready(Ok(rest)) if rest.is_empty()));
/// there.read_exact(&mut [0; 5])?;
/// uring.close(Token(0), here.into());
/// # drop(others);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later(pub(crate) NonZeroU64);

/// An operation that a [`CompletionDriver`] starts.
///
/// ```
/// use switchboard_driver::Request;
///
/// let is_listener = false;
/// let request = if is_listener { Request::Connection } else { Request::Bytes };
/// assert_eq!(request, Request::Bytes);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Receive bytes, as they come.
    Bytes,
    /// Accept one connection.
    Connection,
    /// Report once that a send would not block.
    Writable,
}

/// The completions of one socket, in the order in which they came.
///
/// Every call fails with `WouldBlock` if there is none, and none blocks. Calls that return bytes also
/// return whether another completion follows.
///
/// ```
/// use std::io::ErrorKind;
/// use switchboard_driver::{Completions, Unclaimed};
///
/// let mut completions = Unclaimed::default();
/// assert!(completions.is_empty());
/// assert_eq!(completions.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
/// ```
pub trait Completions {
    /// Takes received bytes without copying them. An empty chunk is the end of input.
    ///
    /// # Errors
    /// - `WouldBlock` if there is no completion.
    /// - `InvalidInput` if the socket is a listener.
    /// - The connection's error, as `recv(2)` returns it.
    fn recv(&mut self) -> io::Result<(Chunk, bool)>;

    /// Copies received bytes to `buffer` and returns their number. Zero is the end of input.
    ///
    /// # Errors
    /// As [`recv`](Completions::recv).
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)>;

    /// Copies received bytes to `buffer` and keeps them; returns their number. Zero is the end of input.
    ///
    /// # Errors
    /// As [`recv`](Completions::recv), which takes an error too.
    fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Takes a connection.
    ///
    /// # Errors
    /// - `WouldBlock` if there is no completion.
    /// - `InvalidInput` if the socket is not a listener.
    /// - The listener's error, as `accept(2)` returns it.
    fn accept(&mut self) -> io::Result<OwnedFd>;

    /// Returns whether there is no completion.
    fn is_empty(&self) -> bool;
}

/// One result that the kernel has reported for a socket.
pub(crate) enum Completion {
    Bytes(Chunk),
    Connection(OwnedFd),
    EndOfInput,
    /// The system's error number.
    Error(i32),
}

/// The completions of a socket that its driver has given up. Its next owner takes these first.
///
/// ```
/// use switchboard_driver::{Completions, Unclaimed};
///
/// let mut earlier = Unclaimed::default();
/// let later = Unclaimed::default();
/// earlier.append(later);
/// assert!(earlier.is_empty());
/// ```
#[derive(Default)]
pub struct Unclaimed {
    pub(crate) completions: VecDeque<Completion>,
}

impl Unclaimed {
    /// Appends completions that came later.
    pub fn append(&mut self, mut later: Unclaimed) {
        self.completions.append(&mut later.completions);
    }
}

/// A queue of completions, wherever it is stored.
pub(crate) trait Queue {
    fn pop(&mut self) -> Option<Completion>;
    fn front(&mut self) -> Option<&mut Completion>;
}

impl Queue for VecDeque<Completion> {
    fn pop(&mut self) -> Option<Completion> {
        self.pop_front()
    }

    fn front(&mut self) -> Option<&mut Completion> {
        self.front_mut()
    }
}

pub(crate) fn recv<Q: Queue>(queue: &mut Q) -> io::Result<(Chunk, bool)> {
    match queue.front() {
        // The end of input stays, since every later read must find it again.
        Some(Completion::EndOfInput) => return Ok((Chunk::empty(), true)),
        None => return Err(io::ErrorKind::WouldBlock.into()),
        Some(_) => {}
    }
    match queue.pop() {
        Some(Completion::Bytes(chunk)) => Ok((chunk, queue.front().is_some())),
        Some(Completion::Error(error)) => Err(io::Error::from_raw_os_error(error)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

pub(crate) fn read<Q: Queue>(queue: &mut Q, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    let Some(Completion::Bytes(chunk)) = queue.front() else {
        return recv(queue).map(|(_, more)| (0, more));
    };
    let length = chunk.take(buffer);
    if chunk.is_empty() {
        queue.pop();
    }
    Ok((length, queue.front().is_some()))
}

pub(crate) fn peek<Q: Queue>(queue: &mut Q, buffer: &mut [u8]) -> io::Result<usize> {
    let Some(Completion::Bytes(chunk)) = queue.front() else {
        return recv(queue).map(|_| 0);
    };
    let length = chunk.len().min(buffer.len());
    buffer[..length].copy_from_slice(&chunk[..length]);
    Ok(length)
}

pub(crate) fn accept<Q: Queue>(queue: &mut Q) -> io::Result<OwnedFd> {
    match queue.pop() {
        Some(Completion::Connection(fd)) => Ok(fd),
        Some(Completion::Error(error)) => Err(io::Error::from_raw_os_error(error)),
        Some(Completion::Bytes(_) | Completion::EndOfInput) => {
            Err(io::ErrorKind::InvalidInput.into())
        }
        None => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Completions for Unclaimed {
    fn recv(&mut self) -> io::Result<(Chunk, bool)> {
        recv(&mut self.completions)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        read(&mut self.completions, buffer)
    }

    fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        peek(&mut self.completions, buffer)
    }

    fn accept(&mut self) -> io::Result<OwnedFd> {
        accept(&mut self.completions)
    }

    fn is_empty(&self) -> bool {
        self.completions.is_empty()
    }
}
