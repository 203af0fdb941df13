//! `epoll(7)`: Linux. A wait is one system call and costs what is ready.
#![allow(unsafe_code)]

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use linux::{Epoll, open};

/// Says that this platform has none.
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

    use crate::notify::{Notifier, NotifyFd};
    use crate::refuse::{self, WAKE};
    use crate::retry::retry;
    use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

    /// Events taken from the kernel at once: the first and the largest room for them. What doesn't
    /// fit stays with the kernel for the next wait.
    const FEW: usize = 256;
    const MANY: usize = 1024;

    /// The longest wait that a count of milliseconds in an `i32` can ask for: 24 days.
    const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

    pub(crate) struct Epoll {
        epoll: OwnedFd,
        bell: NotifyFd,
        buffer: Vec<epoll::Event>,
    }

    // SAFETY: only the buffer is not Send of itself, because epoll's data may be a pointer. Here it
    // is a number always: every event comes from `data`.
    unsafe impl Send for Epoll {}

    /// Opens an epoll instance.
    pub(crate) fn open() -> io::Result<Box<dyn Poller>> {
        let new = Epoll::new()?;
        // Edge-triggered and never read: each write to an eventfd is a new edge, whatever its count
        // is already. That saves the read after every wake-up.
        epoll::add(
            &new.epoll,
            new.bell.as_fd(),
            data(WAKE),
            EventFlags::IN | EventFlags::ET,
        )?;
        Ok(Box::new(new))
    }

    impl Epoll {
        /// One that does not hear its bell.
        pub(crate) fn new() -> io::Result<Epoll> {
            Ok(Epoll {
                epoll: epoll::create(CreateFlags::CLOEXEC)?,
                bell: NotifyFd::new()?,
                buffer: Vec::with_capacity(FEW),
            })
        }

        pub(crate) fn bell(&self) -> &NotifyFd {
            &self.bell
        }

        /// Adds what is ready now to `events`.
        pub(crate) fn look(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
            self.buffer.clear();
            let now = Timespec::default();
            epoll::wait(&self.epoll, spare_capacity(&mut self.buffer), Some(&now))?;
            self.collect(events);
            Ok(())
        }

        fn collect(&mut self, events: &mut Vec<Event>) {
            for event in &self.buffer {
                // Copied out: the struct is packed.
                let (flags, token) = (event.flags, event.data.u64() as usize);
                if token != WAKE.0 {
                    events.push(Event {
                        token: Token(token),
                        ready: ready(flags),
                    });
                }
            }
            if self.buffer.len() == self.buffer.capacity() && self.buffer.capacity() < MANY {
                self.buffer.clear();
                self.buffer.reserve_exact(MANY);
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
            refuse::reserved(token)?;
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
            refuse::reserved(token)?;
            // ENOENT is io::ErrorKind::NotFound.
            Ok(epoll::modify(
                &self.epoll,
                fd,
                data(token),
                flags(interest, mode),
            )?)
        }

        fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
            if fd < 0 {
                return Err(refuse::unknown(fd));
            }
            // SAFETY: the number is lent for one epoll_ctl, which takes no ownership of it, touches
            // no file but its own epoll, and answers EBADF if it is not open. It is not -1.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            match epoll::delete(&self.epoll, borrowed) {
                // A descriptor that was closed was forgotten then.
                Err(Errno::NOENT | Errno::BADF) => Err(refuse::unknown(fd)),
                result => Ok(result?),
            }
        }

        fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
            events.clear();
            let Epoll { epoll, buffer, .. } = self;
            retry(timeout, |left| {
                buffer.clear();
                let limit = left.map(milliseconds);
                let count = epoll::wait(&*epoll, spare_capacity(buffer), limit.as_ref())?;
                // A timeout that milliseconds couldn't hold is not over yet.
                if count == 0 && left > Some(LONGEST) {
                    return Err(Errno::INTR);
                }
                Ok(())
            })?;

            self.collect(events);
            Ok(())
        }

        fn notifier(&self) -> Notifier {
            self.bell.notifier()
        }
    }

    fn data(token: Token) -> EventData {
        EventData::new_u64(token.0 as u64)
    }

    /// The kernel adds EPOLLHUP and EPOLLERR to every mask.
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

    fn ready(flags: EventFlags) -> Ready {
        let mut ready = Ready::NONE;
        for (flag, meaning) in [
            (EventFlags::IN, Ready::READ),
            (EventFlags::OUT, Ready::WRITE),
            (EventFlags::PRI, Ready::PRIORITY),
            (EventFlags::RDHUP, Ready::READ_CLOSED),
            (EventFlags::HUP, Ready::HANG_UP),
            (EventFlags::ERR, Ready::ERROR),
        ] {
            if flags.contains(flag) {
                ready |= meaning;
            }
        }
        ready
    }

    /// `timeout` for a system call that takes milliseconds: rounded up, at most [`LONGEST`].
    fn milliseconds(timeout: Duration) -> Timespec {
        let timeout = timeout.min(LONGEST);
        let up = timeout.subsec_nanos().div_ceil(1_000_000);
        let whole = Duration::from_secs(timeout.as_secs()) + Duration::from_millis(up.into());
        Timespec {
            tv_sec: whole.as_secs().cast_signed(),
            tv_nsec: whole.subsec_nanos().into(),
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
    }
}
