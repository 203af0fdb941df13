//! An epoll instance, for the load and for servers of nothing but system calls.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// An epoll instance that this process owns.
pub struct Epoll(OwnedFd);

/// The events of one wait.
pub type Events = [libc::epoll_event; 1024];

/// Returns room for the events of a wait.
pub fn events() -> Events {
    // SAFETY: all zeros are valid events.
    unsafe { std::mem::zeroed() }
}

impl Epoll {
    /// Opens one.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: a plain system call, whose descriptor is nobody else's.
        unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if epoll < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Epoll(OwnedFd::from_raw_fd(epoll)))
        }
    }

    /// Adds a descriptor, whose events carry `key`.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&self, fd: &impl AsRawFd, flags: i32, key: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), flags, key)
    }

    /// Waits for other events of a descriptor.
    ///
    /// # Errors
    /// The system's.
    pub fn modify(&self, fd: &impl AsRawFd, flags: i32, key: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_raw_fd(), flags, key)
    }

    /// Removes a descriptor.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, fd: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0, 0)
    }

    fn control(&self, what: i32, fd: i32, flags: i32, key: u64) -> io::Result<()> {
        let events = flags.cast_unsigned();
        let mut event = libc::epoll_event { events, u64: key };
        // SAFETY: the event is only read.
        match unsafe { libc::epoll_ctl(self.0.as_raw_fd(), what, fd, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits for so many milliseconds at most, without limit if negative; returns how many events there are.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, events: &mut Events, milliseconds: i32) -> io::Result<usize> {
        let room = events.len() as i32;
        // SAFETY: there is room for so many events.
        match unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), room, milliseconds)
        } {
            ready @ 0.. => Ok(ready as usize),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                error => Err(error),
            },
        }
    }

    /// Waits for so long at most, to the nanosecond; returns how many events there are.
    ///
    /// # Errors
    /// The system's.
    pub fn wait_for(&self, events: &mut Events, limit: Duration) -> io::Result<usize> {
        let room = events.len() as i32;
        let limit = libc::timespec {
            tv_sec: limit.as_secs().cast_signed(),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let epoll = self.0.as_raw_fd();
        // SAFETY: there is room for so many events, and the limit is only read.
        match unsafe {
            libc::epoll_pwait2(
                epoll,
                events.as_mut_ptr(),
                room,
                &raw const limit,
                std::ptr::null(),
            )
        } {
            ready @ 0.. => Ok(ready as usize),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                error => Err(error),
            },
        }
    }
}
