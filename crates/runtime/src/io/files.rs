//! Operations on descriptors that are not sockets: pipes and terminals. A completion driver waits for their
//! readiness only, so that nothing is in flight when a pipe is closed, and its reader finds the end at once.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

use rustix::event::{PollFd, Timespec};
use switchboard_reactor::Direction;
use switchboard_reactor::plumbing::{SystemCall, Transfer};

use super::machine;
use super::ops::Operation;
use super::source::Source;
use super::syscalls::poll_flags;

/// The most bytes that a write to a pipe takes without blocking where poll(2) reports room (`PIPE_BUF`).
const ATOMIC_WRITE: usize = 4096;

/// The mode of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Non-blocking: a call says that it would block.
    NonBlocking,
    /// Blocking, because other processes share the open file: poll(2) says whether a call would block.
    Shared,
}

impl Mode {
    /// Checks that a call would not block.
    ///
    /// # Errors
    /// `WouldBlock` if it would; the system's.
    fn check(self, fd: BorrowedFd<'_>, direction: Direction, may_block: bool) -> io::Result<()> {
        if self == Mode::NonBlocking || may_block {
            return Ok(());
        }
        let mut fds = [PollFd::new(&fd, poll_flags(direction))];
        match rustix::event::poll(&mut fds, Some(&Timespec::default()))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}

/// A read(2) into a buffer of the caller.
pub(crate) struct ReadFile<'a>(pub(crate) &'a mut [u8], pub(crate) Mode);

impl SystemCall for ReadFile<'_> {
    type Output = usize;

    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<usize> {
        self.1.check(fd, Direction::Read, may_block)?;
        Ok(rustix::io::read(fd, &mut *self.0)?)
    }

    fn transfer(&self, &bytes: &usize) -> Transfer {
        // A short read of a pipe or a terminal does not mean that there is no more.
        let short = false;
        Transfer { bytes, short }
    }
}

impl Operation for ReadFile<'_> {
    fn direction(&self) -> Direction {
        Direction::Read
    }

    fn carried(&bytes: &usize) -> usize {
        bytes
    }
}

/// A write(2) of as many bytes as the descriptor takes.
pub(crate) struct WriteFile<'a>(pub(crate) &'a [u8], pub(crate) Mode);

impl SystemCall for WriteFile<'_> {
    type Output = usize;

    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<usize> {
        self.1.check(fd, Direction::Write, may_block)?;
        let bytes = match self.1 == Mode::Shared && !may_block {
            true => &self.0[..self.0.len().min(ATOMIC_WRITE)],
            false => self.0,
        };
        Ok(rustix::io::write(fd, bytes)?)
    }

    fn transfer(&self, &bytes: &usize) -> Transfer {
        let short = false;
        Transfer { bytes, short }
    }
}

impl Operation for WriteFile<'_> {
    fn direction(&self) -> Direction {
        Direction::Write
    }

    fn carried(&bytes: &usize) -> usize {
        bytes
    }
}

impl Source {
    /// Reads from a pipe or a terminal.
    pub(crate) fn poll_read_file(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        mode: Mode,
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        machine::poll(self.descriptor(), context, ReadFile(buffer, mode))
    }

    /// Writes to a pipe or a terminal.
    pub(crate) fn poll_write_file(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        mode: Mode,
    ) -> Poll<io::Result<usize>> {
        machine::poll(self.descriptor(), context, WriteFile(bytes, mode))
    }
}
