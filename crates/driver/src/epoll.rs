//! `epoll(7)`: Linux. A wait is one system call, whose cost depends on how many descriptors are ready.
#![allow(unsafe_code)]

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use linux::{Epoll, open};

/// Returns the error of a platform without epoll.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn open() -> std::io::Result<Box<dyn crate::Poller>> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "this platform has no epoll; use the `portable` driver",
    ))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
    use std::time::Duration;

    use rustix::buffer::spare_capacity;
    use rustix::event::Timespec;
    use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
    use rustix::io::Errno;

    use crate::error::{self, NOTIFY};
    use crate::notify::{Notifier, NotifyFd};
    use crate::retry::retry;
    use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

    /// The initial and the maximum capacity for events of one wait. Further events stay with the
    /// kernel until the next wait.
    const INITIAL_CAPACITY: usize = 256;
    const MAX_CAPACITY: usize = 1024;

    /// The longest timeout in milliseconds that fits into an `i32`: 24 days.
    const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

    pub(crate) struct Epoll {
        epoll: OwnedFd,
        notify_fd: NotifyFd,
        buffer: Vec<epoll::Event>,
    }

    // SAFETY: only the buffer is not Send by itself, because epoll's data may be a pointer. Here
    // every event's data comes from `data` and is a number.
    unsafe impl Send for Epoll {}

    /// Opens an epoll instance.
    pub(crate) fn open() -> io::Result<Box<dyn Poller>> {
        let new = Epoll::new()?;
        // Edge-triggered and never read: each write to an eventfd is a new edge, whatever its count
        // is already. That saves the read after every notification.
        epoll::add(
            &new.epoll,
            new.notify_fd.as_fd(),
            data(NOTIFY),
            EventFlags::IN | EventFlags::ET,
        )?;
        Ok(Box::new(new))
    }

    impl Epoll {
        /// Opens an instance whose notifier is not registered with it.
        pub(crate) fn new() -> io::Result<Epoll> {
            Ok(Epoll {
                epoll: epoll::create(CreateFlags::CLOEXEC)?,
                notify_fd: NotifyFd::new()?,
                buffer: Vec::with_capacity(INITIAL_CAPACITY),
            })
        }

        pub(crate) fn notify_fd(&self) -> &NotifyFd {
            &self.notify_fd
        }

        /// Appends the events there are now. Never blocks.
        pub(crate) fn poll(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
            self.buffer.clear();
            let now = Timespec::default();
            epoll::wait(&self.epoll, spare_capacity(&mut self.buffer), Some(&now))?;
            self.collect(events);
            Ok(())
        }

        #[inline]
        fn collect(&mut self, events: &mut Vec<Event>) {
            events.reserve(self.buffer.len());
            for event in &self.buffer {
                // Copied, because the struct is packed.
                let (flags, token) = (event.flags, event.data.u64() as usize);
                if token != NOTIFY.0 {
                    events.push(Event {
                        token: Token(token),
                        ready: ready(flags),
                    });
                }
            }
            if self.buffer.len() == self.buffer.capacity() && self.buffer.capacity() < MAX_CAPACITY
            {
                self.buffer.clear();
                self.buffer.reserve_exact(MAX_CAPACITY);
            }
        }
    }

    impl AsFd for Epoll {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.epoll.as_fd()
        }
    }

    impl Poller for Epoll {
        fn driver(&self) -> Driver {
            Driver::Epoll
        }

        fn has_edge(&self) -> bool {
            true
        }

        fn register(
            &mut self,
            fd: BorrowedFd<'_>,
            token: Token,
            interest: Interest,
            mode: Mode,
        ) -> io::Result<()> {
            error::check_token(token)?;
            let flags = flags(interest, mode);
            match epoll::add(&self.epoll, fd, data(token), flags) {
                Err(Errno::EXIST) => Ok(epoll::modify(&self.epoll, fd, data(token), flags)?),
                result => Ok(result?),
            }
        }

        fn modify(
            &mut self,
            fd: BorrowedFd<'_>,
            token: Token,
            interest: Interest,
            mode: Mode,
        ) -> io::Result<()> {
            error::check_token(token)?;
            // ENOENT becomes io::ErrorKind::NotFound.
            Ok(epoll::modify(
                &self.epoll,
                fd,
                data(token),
                flags(interest, mode),
            )?)
        }

        fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
            if fd < 0 {
                return Err(error::not_registered(fd));
            }
            // SAFETY: the number is not -1. It is borrowed for one epoll_ctl, which takes no
            // ownership of it, changes only the epoll instance, and fails with EBADF if the number
            // is not open.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            match epoll::delete(&self.epoll, borrowed) {
                // The kernel forgets a descriptor when it is closed.
                Err(Errno::NOENT | Errno::BADF) => Err(error::not_registered(fd)),
                result => Ok(result?),
            }
        }

        fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
            events.clear();
            let Epoll { epoll, buffer, .. } = self;
            retry(timeout, |remaining| {
                buffer.clear();
                let limit = remaining.map(milliseconds);
                let count = epoll::wait(&*epoll, spare_capacity(buffer), limit.as_ref())?;
                // A timeout longer than MAX_TIMEOUT has not passed yet.
                if count == 0 && remaining > Some(MAX_TIMEOUT) {
                    return Err(Errno::INTR);
                }
                Ok(())
            })?;

            self.collect(events);
            Ok(())
        }

        fn notifier(&self) -> Notifier {
            self.notify_fd.notifier()
        }
    }

    fn data(token: Token) -> EventData {
        EventData::new_u64(token.0 as u64)
    }

    /// Returns the mask of an interest; the kernel adds EPOLLHUP and EPOLLERR to every mask.
    fn flags(interest: Interest, mode: Mode) -> EventFlags {
        let mut flags = EventFlags::empty();
        if interest.contains(Interest::READ) {
            flags |= EventFlags::IN | EventFlags::RDHUP;
        }
        if interest.contains(Interest::WRITE) {
            flags |= EventFlags::OUT;
        }
        if interest.contains(Interest::PRIORITY) {
            flags |= EventFlags::PRI;
        }
        if mode == Mode::Edge {
            flags |= EventFlags::ET;
        }
        flags
    }

    /// Converts without branches: `Ready` has the kernel's bits, except for EPOLLRDHUP (0x2000).
    #[inline]
    const fn ready(flags: EventFlags) -> Ready {
        let bits = flags.bits();
        Ready::from_bits((bits & 0x1f | bits >> 8 & 0x20) as u8)
    }

    /// Converts a timeout for a system call that takes milliseconds: rounded up, and no longer than
    /// [`MAX_TIMEOUT`].
    fn milliseconds(timeout: Duration) -> Timespec {
        let timeout = timeout.min(MAX_TIMEOUT);
        let millis = timeout.subsec_nanos().div_ceil(1_000_000);
        let rounded = Duration::from_secs(timeout.as_secs()) + Duration::from_millis(millis.into());
        Timespec {
            tv_sec: rounded.as_secs().cast_signed(),
            tv_nsec: rounded.subsec_nanos().into(),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn milliseconds_are_rounded_up() {
            let rounded = |nanos| {
                let timespec = milliseconds(Duration::from_nanos(nanos));
                (timespec.tv_sec, timespec.tv_nsec)
            };
            assert_eq!(rounded(0), (0, 0));
            assert_eq!(rounded(1), (0, 1_000_000));
            assert_eq!(rounded(1_500_000), (0, 2_000_000));
            assert_eq!(rounded(999_000_001), (1, 0));
            assert_eq!(rounded(20_000_000), (0, 20_000_000));
            assert_eq!(rounded(u64::MAX), (2_147_483, 647_000_000));
        }

        #[test]
        fn every_kernel_flag_has_its_readiness() {
            let pairs = [
                (EventFlags::IN, Ready::READ),
                (EventFlags::OUT, Ready::WRITE),
                (EventFlags::PRI, Ready::PRIORITY),
                (EventFlags::RDHUP, Ready::READ_CLOSED),
                (EventFlags::HUP, Ready::HANG_UP),
                (EventFlags::ERR, Ready::ERROR),
            ];
            for set in 0..1 << pairs.len() {
                // A flag that is not a readiness must not change the result.
                let (mut flags, mut expected) = (EventFlags::ET, Ready::NONE);
                for (bit, (flag, meaning)) in pairs.into_iter().enumerate() {
                    if set >> bit & 1 == 1 {
                        flags |= flag;
                        expected |= meaning;
                    }
                }
                assert_eq!(ready(flags), expected);
            }
        }
    }
}
