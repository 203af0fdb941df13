//! Ending a wait from another thread.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};

/// Ends a [`Poller`](crate::Poller)'s wait from any thread.
///
/// A clone wakes the same poller. A waker whose poller is gone does nothing.
#[derive(Clone)]
pub struct Notifier(Kind);

#[derive(Clone)]
enum Kind {
    NotifyFd(Arc<Line>),
    // Weak, so that a waker left behind doesn't hold the poller's descriptors open.
    Portable(Weak<polling::Poller>),
}

impl Notifier {
    /// Ends the wait that is under way, or the next one if none is. Wakes that come before a wait
    /// has seen the first count as one. Never blocks; costs at most one system call.
    pub fn notify(&self) {
        match &self.0 {
            Kind::NotifyFd(line) => line.notify(),
            Kind::Portable(poller) => {
                if let Some(poller) = poller.upgrade() {
                    // It fails only where the kernel has taken the poller's own descriptor away.
                    let _ = poller.notify();
                }
            }
        }
    }

    pub(crate) fn portable(poller: &Arc<polling::Poller>) -> Notifier {
        Notifier(Kind::Portable(Arc::downgrade(poller)))
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notifier")
    }
}

/// A descriptor that is readable once it was rung: an eventfd, or a pipe where there is none.
pub struct NotifyFd(Arc<Line>);

impl NotifyFd {
    /// A silent one.
    ///
    /// # Errors
    /// The system's, where no descriptor is left.
    pub fn new() -> io::Result<NotifyFd> {
        Ok(NotifyFd(Arc::new(Line::open()?)))
    }

    /// Makes the descriptor unreadable until the next wake. Never blocks.
    pub fn drain(&self) {
        self.0.drain();
    }

    /// Makes the descriptor readable. Never blocks.
    pub fn notify(&self) {
        self.0.notify();
    }

    pub(crate) fn notifier(&self) -> Notifier {
        Notifier(Kind::NotifyFd(self.0.clone()))
    }
}

impl fmt::Debug for NotifyFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotifyFd")
    }
}

impl AsFd for NotifyFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

use line::Line;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod line {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::event::{EventfdFlags, eventfd};

    pub(super) struct Line(OwnedFd);

    impl Line {
        pub(super) fn open() -> io::Result<Line> {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            Ok(Line(eventfd(0, flags)?))
        }

        pub(super) fn notify(&self) {
            // Fails only when the count is full, 2^64 - 2 wakes from now: it is readable then.
            let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
        }

        pub(super) fn drain(&self) {
            let _ = rustix::io::read(&self.0, &mut [0; 8]);
        }

        pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod line {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};

    /// A pipe. Both ends are kept together, so that a waker that outlives its poller writes into a
    /// pipe that still has a reader and no SIGPIPE comes of it.
    pub(super) struct Line {
        read: OwnedFd,
        write: OwnedFd,
    }

    impl Line {
        pub(super) fn open() -> io::Result<Line> {
            let (read, write) = rustix::pipe::pipe()?;
            for end in [&read, &write] {
                fcntl_setfd(end, FdFlags::CLOEXEC)?;
                ioctl_fionbio(end, true)?;
            }
            Ok(Line { read, write })
        }

        pub(super) fn notify(&self) {
            // A full pipe is readable, which is all that is wanted.
            let _ = rustix::io::write(&self.write, &[1]);
        }

        pub(super) fn drain(&self) {
            while rustix::io::read(&self.read, &mut [0; 128]).is_ok_and(|count| count == 128) {}
        }

        pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
            self.read.as_fd()
        }
    }
}
