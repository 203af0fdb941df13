//! What can be asked of a source: as a system call where the driver says what is ready, and of what
//! has come already where the driver says what is done.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use switchboard_driver::{Chunk, Completions, Request};
use switchboard_reactor::Direction;

use crate::io::calls::{Done, Took, accept, is_gone, recv_flags, send_flags};

pub(crate) trait Ask {
    type Answer;

    fn direction(&self) -> Direction;

    /// Makes the system call; it may wait only if `block`.
    fn call(&mut self, fd: BorrowedFd<'_>, block: bool) -> Done<Self::Answer>;

    /// What a driver that answers "what is done?" is to do for it; `None` where readiness is asked.
    fn expect(&self) -> Option<Request> {
        None
    }

    /// Takes the answer from what has come; `None` where the system call gives it, once `expect` is done.
    fn take(&mut self, _inbox: &mut dyn Completions) -> Option<io::Result<(Self::Answer, Took)>> {
        None
    }
}

pub(crate) struct Recv;

impl Ask for Recv {
    type Answer = Chunk;

    fn direction(&self) -> Direction {
        Direction::Read
    }

    fn call(&mut self, fd: BorrowedFd<'_>, block: bool) -> Done<Chunk> {
        let mut chunk = Chunk::empty();
        let bytes = chunk.recv(fd, recv_flags(block))?;
        let short = !chunk.is_full();
        Ok((chunk, Took { bytes, short }))
    }

    fn expect(&self) -> Option<Request> {
        Some(Request::Bytes)
    }

    fn take(&mut self, inbox: &mut dyn Completions) -> Option<Done<Chunk>> {
        Some(inbox.recv().map(|(chunk, more)| {
            let took = Took {
                bytes: chunk.len(),
                short: !more,
            };
            (chunk, took)
        }))
    }
}

pub(crate) struct Read<'a>(pub(crate) &'a mut [u8]);

impl Ask for Read<'_> {
    type Answer = usize;

    fn direction(&self) -> Direction {
        Direction::Read
    }

    fn call(&mut self, fd: BorrowedFd<'_>, block: bool) -> Done<usize> {
        let (_, bytes) = rustix::net::recv(fd, &mut *self.0, recv_flags(block))?;
        let short = bytes < self.0.len();
        Ok((bytes, Took { bytes, short }))
    }

    fn expect(&self) -> Option<Request> {
        Some(Request::Bytes)
    }

    fn take(&mut self, inbox: &mut dyn Completions) -> Option<Done<usize>> {
        let read = inbox.read(self.0);
        Some(read.map(|(bytes, more)| {
            (
                bytes,
                Took {
                    bytes,
                    short: !more,
                },
            )
        }))
    }
}

pub(crate) struct Send<'a>(pub(crate) &'a [u8]);

impl Ask for Send<'_> {
    type Answer = usize;

    fn direction(&self) -> Direction {
        Direction::Write
    }

    fn call(&mut self, fd: BorrowedFd<'_>, block: bool) -> Done<usize> {
        let bytes = rustix::net::send(fd, self.0, send_flags(block))?;
        let short = bytes < self.0.len();
        Ok((bytes, Took { bytes, short }))
    }

    fn expect(&self) -> Option<Request> {
        Some(Request::Writable)
    }
}

pub(crate) struct Accept;

impl Ask for Accept {
    type Answer = (OwnedFd, Option<SocketAddr>);

    fn direction(&self) -> Direction {
        Direction::Read
    }

    fn call(&mut self, fd: BorrowedFd<'_>, _block: bool) -> Done<Self::Answer> {
        let (bytes, short) = (0, false);
        Ok((accept(fd)?, Took { bytes, short }))
    }

    fn expect(&self) -> Option<Request> {
        Some(Request::Connection)
    }

    fn take(&mut self, inbox: &mut dyn Completions) -> Option<Done<Self::Answer>> {
        // The driver accepts one at a time; there may be more.
        let (bytes, short) = (0, false);
        let accepted = inbox.accept();
        Some(accepted.map(|fd| ((fd, None), Took { bytes, short })))
    }
}

/// The out-of-band byte.
pub(crate) struct Urgent;

impl Ask for Urgent {
    type Answer = u8;

    fn direction(&self) -> Direction {
        Direction::Priority
    }

    fn call(&mut self, fd: BorrowedFd<'_>, _block: bool) -> Done<u8> {
        let mut byte = [0];
        let flags = RecvFlags::OOB | RecvFlags::DONTWAIT;
        match rustix::net::recv(fd, &mut byte, flags) {
            Ok((_, 1)) => {
                let (bytes, short) = (1, true);
                Ok((byte[0], Took { bytes, short }))
            }
            // Linux says so while no urgent byte is on its way.
            Ok(_) | Err(rustix::io::Errno::INVAL) => Err(match is_gone(fd) {
                // None will come, and poll(2) would say so for ever.
                true => io::ErrorKind::ConnectionAborted.into(),
                false => io::ErrorKind::WouldBlock.into(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Readiness itself.
pub(crate) struct Ready(pub(crate) Direction);

impl Ask for Ready {
    type Answer = ();

    fn direction(&self) -> Direction {
        self.0
    }

    fn call(&mut self, fd: BorrowedFd<'_>, _block: bool) -> Done<()> {
        let mut fds = [PollFd::new(&fd, flags(self.0))];
        let (bytes, short) = (0, false);
        match rustix::event::poll(&mut fds, Some(&Timespec::default()))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(((), Took { bytes, short })),
        }
    }

    fn take(&mut self, inbox: &mut dyn Completions) -> Option<Done<()>> {
        let (bytes, short) = (0, false);
        let there = self.0 == Direction::Read && !inbox.is_empty();
        there.then_some(Ok(((), Took { bytes, short })))
    }
}

/// What poll(2) is asked for a direction.
pub(crate) fn flags(direction: Direction) -> PollFlags {
    match direction {
        Direction::Read => PollFlags::IN,
        Direction::Write => PollFlags::OUT,
        Direction::Priority => PollFlags::PRI,
    }
}
