//! Parked sockets: flows wait for them, but nothing is in flight.
//!
//! The end of a run cancels every receive and accept. To start them all in the next run, and cancel them again
//! at its end, would make each run as long as there are connections. Sockets that flows wait for are therefore
//! parked in an epoll instance, which stays as it is from run to run, and is polled by the ring. Each is
//! reported once. The flow then makes its call, and requests what comes next from the ring.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use crate::Token;

/// How many sockets are taken from the epoll instance at once.
const CAPACITY: usize = 128;

#[derive(Default)]
pub(super) struct Parked {
    /// Created when the first socket is parked.
    epoll: Option<OwnedFd>,
}

impl Parked {
    /// Returns the epoll instance, which is readable when a parked socket is; none before there is one.
    pub(super) fn epoll(&self) -> Option<BorrowedFd<'_>> {
        self.epoll.as_ref().map(AsFd::as_fd)
    }

    /// Parks a socket until it is readable.
    pub(super) fn park(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
        let epoll = match &self.epoll {
            Some(epoll) => epoll,
            None => self
                .epoll
                .insert(epoll::create(epoll::CreateFlags::CLOEXEC)?),
        };
        // SAFETY: the number of a socket of the ring is open, and is borrowed for two system calls.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ONESHOT;
        let data = epoll::EventData::new_u64(token.0 as u64);
        match epoll::modify(epoll, fd, data, flags) {
            Err(Errno::NOENT) => Ok(epoll::add(epoll, fd, data, flags)?),
            result => Ok(result?),
        }
    }

    /// Removes a socket that is about to be closed or released.
    pub(super) fn remove(&self, fd: RawFd) {
        if let Some(epoll) = &self.epoll {
            // SAFETY: as above.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            // Fails if the socket was never parked.
            let _ = epoll::delete(epoll, fd);
        }
    }

    /// Calls `f` with the sockets that are readable. They are not parked any more.
    pub(super) fn take(&self, mut f: impl FnMut(Token)) -> io::Result<()> {
        let Some(epoll) = &self.epoll else {
            return Ok(());
        };
        let mut buffer = Vec::with_capacity(CAPACITY);
        let now = rustix::event::Timespec::default();
        match epoll::wait(epoll, spare_capacity(&mut buffer), Some(&now)) {
            // The ring polls the instance again.
            Err(Errno::INTR) => {}
            result => drop(result?),
        }
        for event in buffer {
            f(Token(event.data.u64() as usize));
        }
        Ok(())
    }
}
