//! The operations on a source: each as a system call, and as the completion that a completion driver has
//! for it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, Timespec};
use rustix::net::RecvFlags;
use switchboard_driver::{Chunk, CompletionDriver, Completions, Request, Token, Uring};
use switchboard_reactor::Direction;
use switchboard_reactor::plumbing::{SystemCall, Transfer};

use super::syscalls::{accept, is_gone, poll_flags, recv_flags, send_flags};

/// The output of a completion, and whether there are more completions.
pub(crate) type Completed<T> = io::Result<(T, bool)>;

/// One thing asked of a descriptor: accept, receive, send or readiness.
pub(crate) trait Operation: SystemCall {
    /// Returns the direction in which a readiness driver waits for it.
    fn direction(&self) -> Direction;

    /// Returns the request by which a completion driver carries it out; `None` if the driver reports
    /// readiness for it.
    fn request(&self) -> Option<Request> {
        None
    }

    /// Returns whether the system call reads from the socket, which finds the bytes that come next only if
    /// no receive of a completion driver is in flight.
    fn reads_itself(&self) -> bool {
        false
    }

    /// Returns how many bytes of the socket's stream an operation with this output carried.
    fn carried(_output: &Self::Output) -> usize {
        0
    }

    /// Takes the output from the completions of the socket; `None` if the system call returns the output
    /// once the request is done.
    fn take(&mut self, _completions: &mut dyn Completions) -> Option<Completed<Self::Output>> {
        None
    }

    /// Takes the output as [`take`](Operation::take) does, from the driver that has the completions.
    fn take_from(&mut self, driver: &mut Uring, token: Token) -> Option<Completed<Self::Output>> {
        let mut taken = None;
        driver.completions(token, &mut |all| taken = self.take(all));
        taken
    }
}

/// A receive into a chunk of the thread's pool, of so many bytes at most. A completion driver fills the chunk.
pub(crate) struct Recv(pub(crate) usize);

impl SystemCall for Recv {
    type Output = Chunk;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<Chunk> {
        let mut chunk = Chunk::empty();
        chunk.recv(fd, recv_flags(may_block), self.0)?;
        Ok(chunk)
    }

    #[inline]
    fn transfer(&self, chunk: &Chunk) -> Transfer {
        Transfer {
            bytes: chunk.len(),
            short: chunk.len() < self.0 && !chunk.is_full(),
        }
    }
}

impl Operation for Recv {
    #[inline]
    fn direction(&self) -> Direction {
        Direction::Read
    }

    #[inline]
    fn request(&self) -> Option<Request> {
        Some(Request::Bytes)
    }

    fn carried(chunk: &Chunk) -> usize {
        chunk.len()
    }

    fn take(&mut self, completions: &mut dyn Completions) -> Option<Completed<Chunk>> {
        Some(completions.recv())
    }

    #[inline]
    fn take_from(&mut self, driver: &mut Uring, token: Token) -> Option<Completed<Chunk>> {
        Some(driver.recv(token))
    }
}

/// A receive into a buffer of the caller.
pub(crate) struct Read<'a>(pub(crate) &'a mut [u8]);

impl SystemCall for Read<'_> {
    type Output = usize;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<usize> {
        let (_, bytes) = rustix::net::recv(fd, &mut *self.0, recv_flags(may_block))?;
        Ok(bytes)
    }

    #[inline]
    fn transfer(&self, &bytes: &usize) -> Transfer {
        let short = bytes < self.0.len();
        Transfer { bytes, short }
    }
}

impl Operation for Read<'_> {
    #[inline]
    fn direction(&self) -> Direction {
        Direction::Read
    }

    #[inline]
    fn request(&self) -> Option<Request> {
        Some(Request::Bytes)
    }

    fn carried(&bytes: &usize) -> usize {
        bytes
    }

    fn take(&mut self, completions: &mut dyn Completions) -> Option<Completed<usize>> {
        Some(completions.read(self.0))
    }
}

/// A send of as many bytes as the socket takes.
pub(crate) struct Send<'a>(pub(crate) &'a [u8]);

impl SystemCall for Send<'_> {
    type Output = usize;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<usize> {
        Ok(rustix::net::send(fd, self.0, send_flags(may_block))?)
    }

    #[inline]
    fn transfer(&self, &bytes: &usize) -> Transfer {
        let short = bytes < self.0.len();
        Transfer { bytes, short }
    }
}

impl Operation for Send<'_> {
    #[inline]
    fn direction(&self) -> Direction {
        Direction::Write
    }

    #[inline]
    fn request(&self) -> Option<Request> {
        Some(Request::Writable)
    }

    fn carried(&bytes: &usize) -> usize {
        bytes
    }
}

/// An accept of one connection.
pub(crate) struct Accept;

impl SystemCall for Accept {
    type Output = (OwnedFd, Option<SocketAddr>);

    fn call(&mut self, fd: BorrowedFd<'_>, _may_block: bool) -> io::Result<Self::Output> {
        accept(fd)
    }
}

impl Operation for Accept {
    fn direction(&self) -> Direction {
        Direction::Read
    }

    fn request(&self) -> Option<Request> {
        Some(Request::Connection)
    }

    fn take(&mut self, completions: &mut dyn Completions) -> Option<Completed<Self::Output>> {
        // A driver accepts one connection at a time, so there may be more.
        let accepted = completions.accept();
        Some(accepted.map(|fd| ((fd, None), true)))
    }
}

/// A receive of the out-of-band byte.
pub(crate) struct Urgent;

impl SystemCall for Urgent {
    type Output = u8;

    fn call(&mut self, fd: BorrowedFd<'_>, _may_block: bool) -> io::Result<u8> {
        let mut byte = [0];
        let flags = RecvFlags::OOB | RecvFlags::DONTWAIT;
        match rustix::net::recv(fd, &mut byte, flags) {
            Ok((_, 1)) => Ok(byte[0]),
            // On Linux the call fails with EINVAL if no urgent byte is announced.
            Ok(_) | Err(rustix::io::Errno::INVAL) => Err(match is_gone(fd) {
                // No byte can come any more, but poll(2) would always report the descriptor.
                true => io::ErrorKind::ConnectionAborted.into(),
                false => io::ErrorKind::WouldBlock.into(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn transfer(&self, _byte: &u8) -> Transfer {
        let (bytes, short) = (1, true);
        Transfer { bytes, short }
    }
}

impl Operation for Urgent {
    fn direction(&self) -> Direction {
        Direction::Priority
    }
}

/// A wait for readiness.
pub(crate) struct Ready(pub(crate) Direction);

impl SystemCall for Ready {
    type Output = ();

    fn call(&mut self, fd: BorrowedFd<'_>, _may_block: bool) -> io::Result<()> {
        let mut fds = [PollFd::new(&fd, poll_flags(self.0))];
        match rustix::event::poll(&mut fds, Some(&Timespec::default()))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}

impl Operation for Ready {
    fn direction(&self) -> Direction {
        self.0
    }

    fn take(&mut self, completions: &mut dyn Completions) -> Option<Completed<()>> {
        let ready = self.0 == Direction::Read && !completions.is_empty();
        ready.then_some(Ok(((), true)))
    }
}
