//! Operations that are system calls of the caller, peeks, and reads of descriptors.

use std::io;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags, recvmsg,
};
use switchboard_driver::{Completions, Request};
use switchboard_reactor::plumbing::{Sockets, SystemCall, Transfer};
use switchboard_reactor::{Direction, Loop};

use super::machine;
use super::ops::{Completed, Operation};
use super::source::Source;
use super::syscalls::recv_flags;

impl Source {
    /// Polls a system call of the caller, which waits in `direction`. A completion driver waits for
    /// readiness too.
    ///
    /// `call` gets the descriptor, and whether the call may block; if not, it fails with `WouldBlock` where
    /// it would, as with `MSG_DONTWAIT`. It returns its output, and how much it moved. [`Transfer::short`]
    /// says that nothing is left to read, or no space to write; it is false for datagrams, of which each
    /// is read by a call of its own.
    ///
    /// A receive of a completion driver that is in flight, such as that of a dropped
    /// [`poll_recv`](Source::poll_recv), is stopped before the call. Bytes that it received are left to the
    /// next receive, and `call` does not find them: receive until nothing is left before a `call` that reads.
    ///
    /// # Errors
    /// The call's, and those of registering the descriptor with the loop's driver.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::os::unix::net::UnixDatagram;
    /// use switchboard_runtime::{Direction, Model, Source, Transfer};
    ///
    /// let (there, here) = UnixDatagram::pair()?;
    /// here.set_nonblocking(true)?;
    /// there.send(b"hello")?;
    /// let source = Source::new(here.try_clone()?.into());
    /// let mut buffer = [0; 16];
    /// let length = Model::Tasks.run(poll_fn(|context| {
    ///     source.poll_call(context, Direction::Read, |_fd, _may_block| {
    ///         let bytes = here.recv(&mut buffer)?;
    ///         Ok((bytes, Transfer { bytes, short: false }))
    ///     })
    /// }))??;
    /// assert_eq!(&buffer[..length], b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_call<T>(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
        call: impl FnMut(BorrowedFd<'_>, bool) -> io::Result<(T, Transfer)>,
    ) -> Poll<io::Result<T>> {
        let polled = machine::poll(self.descriptor(), context, Call { direction, call });
        polled.map_ok(|(output, _)| output)
    }

    /// Copies the bytes that come next to `buffer` and leaves them to the next read; returns their number.
    /// 0 is the end of input.
    pub fn poll_peek(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        machine::poll(self.descriptor(), context, Peek(buffer))
    }

    /// Receives bytes into `buffer`, and appends the descriptors that were sent with them to `fds`; returns
    /// the number of bytes. All later reads go [by readiness](Source::set_by_readiness).
    ///
    /// # Errors
    /// `InvalidInput` for an empty buffer, because descriptors come with at least one byte; `QuotaExceeded` if
    /// this process can have no more descriptors; the system's.
    pub fn poll_recv_fds(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            let text = "descriptors come with at least one byte, for which the buffer has no space";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        if !self.descriptor().is_by_readiness() {
            self.set_by_readiness();
        }
        machine::poll(self.descriptor(), context, RecvFds { buffer, fds })
    }

    /// Has all reads go by readiness from now on: for a socket through which descriptors are passed. A
    /// completion driver would lose the descriptors, and a read that stops at them is short although there
    /// is more.
    pub fn set_by_readiness(&self) {
        self.descriptor().set_by_readiness();
    }

    /// Has nothing received ahead of a read from now on, so that what no flow reads stays in the socket. Only a
    /// completion driver receives ahead, and each read costs a system call more there. To be called in the flow
    /// that reads, before its first read.
    pub fn receive_on_demand(&self) {
        if Loop::with_current(|lp| lp.is_some_and(Sockets::completes)) {
            self.set_by_readiness();
        }
    }
}

/// A system call of the caller.
struct Call<F> {
    direction: Direction,
    call: F,
}

impl<T, F> SystemCall for Call<F>
where
    F: FnMut(BorrowedFd<'_>, bool) -> io::Result<(T, Transfer)>,
{
    type Output = (T, Transfer);

    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<(T, Transfer)> {
        (self.call)(fd, may_block)
    }

    fn transfer(&self, output: &(T, Transfer)) -> Transfer {
        output.1
    }
}

impl<T, F> Operation for Call<F>
where
    F: FnMut(BorrowedFd<'_>, bool) -> io::Result<(T, Transfer)>,
{
    fn direction(&self) -> Direction {
        self.direction
    }

    fn request(&self) -> Option<Request> {
        (self.direction == Direction::Write).then_some(Request::Writable)
    }

    fn reads_itself(&self) -> bool {
        self.direction == Direction::Read
    }

    fn carried(output: &(T, Transfer)) -> usize {
        output.1.bytes
    }
}

/// A receive that leaves the bytes to the next one.
struct Peek<'a>(&'a mut [u8]);

impl SystemCall for Peek<'_> {
    type Output = usize;

    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<usize> {
        let flags = recv_flags(may_block) | RecvFlags::PEEK;
        let (_, bytes) = rustix::net::recv(fd, &mut *self.0, flags)?;
        Ok(bytes)
    }
}

impl Operation for Peek<'_> {
    fn direction(&self) -> Direction {
        Direction::Read
    }

    fn request(&self) -> Option<Request> {
        Some(Request::Bytes)
    }

    fn take(&mut self, completions: &mut dyn Completions) -> Option<Completed<usize>> {
        // The peeked bytes are there still.
        Some(completions.peek(self.0).map(|bytes| (bytes, true)))
    }
}

/// The most descriptors that Linux sends at once.
const MAX_FDS: usize = 253;

/// A receive of bytes and descriptors.
struct RecvFds<'a> {
    buffer: &'a mut [u8],
    fds: &'a mut Vec<OwnedFd>,
}

impl SystemCall for RecvFds<'_> {
    type Output = usize;

    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffers = [IoSliceMut::new(self.buffer)];
        let flags = recv_flags(may_block) | close_on_exec();
        let RecvMsg { bytes, flags, .. } = recvmsg(fd, &mut buffers, &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                self.fds.extend(received.inspect(close_on_exec_later));
            }
        }
        if flags.contains(ReturnFlags::CTRUNC) {
            let text = "descriptors were lost, because this process can have no more of them";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        Ok(bytes)
    }

    fn transfer(&self, &bytes: &usize) -> Transfer {
        // A receive stops at the bytes that descriptors came with.
        let short = false;
        Transfer { bytes, short }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn close_on_exec() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(not(target_vendor = "apple"))]
fn close_on_exec_later(_fd: &OwnedFd) {}

#[cfg(target_vendor = "apple")]
fn close_on_exec() -> RecvFlags {
    RecvFlags::empty()
}

#[cfg(target_vendor = "apple")]
fn close_on_exec_later(fd: &OwnedFd) {
    let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
}

impl Operation for RecvFds<'_> {
    fn direction(&self) -> Direction {
        Direction::Read
    }

    fn carried(&bytes: &usize) -> usize {
        bytes
    }

    fn take(&mut self, completions: &mut dyn Completions) -> Option<Completed<usize>> {
        match completions.read(self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            taken => Some(taken),
        }
    }
}
