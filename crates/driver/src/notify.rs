//! Ending a wait from another thread.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};

/// A handle that ends the wait of a [`Poller`](crate::Poller) from any thread.
///
/// Clones notify the same poller. A notifier whose poller is gone does nothing.
///
/// ```
/// use switchboard_driver::Driver;
///
/// let mut poller = Driver::best().open()?;
/// let notifier = poller.notifier();
/// let thread = std::thread::spawn(move || notifier.notify());
///
/// let mut events = Vec::new();
/// poller.wait(&mut events, None)?;
/// assert!(events.is_empty());
/// # thread.join().unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Notifier(Target);

#[derive(Clone)]
enum Target {
    Descriptor(Arc<Channel>),
    // Weak, so that a notifier does not keep the poller's descriptors open.
    Portable(Weak<polling::Poller>),
}

impl Notifier {
    /// Ends the current wait, or the next one if there is none. Notifications that no wait has seen
    /// yet count as one. Never blocks; makes at most one system call.
    pub fn notify(&self) {
        match &self.0 {
            Target::Descriptor(channel) => channel.notify(),
            Target::Portable(poller) => {
                if let Some(poller) = poller.upgrade() {
                    // Fails only if the poller's own descriptor is not open any more.
                    let _ = poller.notify();
                }
            }
        }
    }

    pub(crate) fn portable(poller: &Arc<polling::Poller>) -> Notifier {
        Notifier(Target::Portable(Arc::downgrade(poller)))
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notifier")
    }
}

/// A descriptor that becomes readable when it is notified: an eventfd, or a pipe where there is none.
///
/// ```
/// use std::{os::fd::AsFd, time::Duration};
/// use switchboard_driver::{Driver, Interest, Mode, NotifyFd, Token};
///
/// let notify = NotifyFd::new()?;
/// let mut poller = Driver::Poll.open()?;
/// poller.register(notify.as_fd(), Token(0), Interest::READ, Mode::Level)?;
///
/// notify.notify();
/// let mut events = Vec::new();
/// poller.wait(&mut events, None)?;
/// assert_eq!(events.len(), 1);
///
/// notify.drain();
/// poller.wait(&mut events, Some(Duration::ZERO))?;
/// assert!(events.is_empty());
/// # std::io::Result::Ok(())
/// ```
pub struct NotifyFd(Arc<Channel>);

impl NotifyFd {
    /// Opens a descriptor that is not readable yet.
    ///
    /// # Errors
    /// The system's error if no descriptor is left.
    pub fn new() -> io::Result<NotifyFd> {
        Ok(NotifyFd(Arc::new(Channel::open()?)))
    }

    /// Makes the descriptor unreadable until the next notification. Never blocks.
    pub fn drain(&self) {
        self.0.drain();
    }

    /// Makes the descriptor readable. Never blocks.
    pub fn notify(&self) {
        self.0.notify();
    }

    pub(crate) fn notifier(&self) -> Notifier {
        Notifier(Target::Descriptor(self.0.clone()))
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

use channel::Channel;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod channel {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::event::{EventfdFlags, eventfd};

    /// An eventfd.
    pub(super) struct Channel(OwnedFd);

    impl Channel {
        pub(super) fn open() -> io::Result<Channel> {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            Ok(Channel(eventfd(0, flags)?))
        }

        pub(super) fn notify(&self) {
            // Fails only if the count is at its maximum; then the descriptor is readable already.
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
mod channel {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};

    /// A pipe. Its ends are owned together, so that a notifier that outlives its poller writes to a
    /// pipe that still has a reader and causes no SIGPIPE.
    pub(super) struct Channel {
        read: OwnedFd,
        write: OwnedFd,
    }

    impl Channel {
        pub(super) fn open() -> io::Result<Channel> {
            let (read, write) = rustix::pipe::pipe()?;
            for end in [&read, &write] {
                fcntl_setfd(end, FdFlags::CLOEXEC)?;
                ioctl_fionbio(end, true)?;
            }
            Ok(Channel { read, write })
        }

        pub(super) fn notify(&self) {
            // Fails only if the pipe is full; then it is readable already.
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
