//! The drivers by name.

use std::fmt;
use std::str::FromStr;

/// A kernel interface that an event loop can wait with.
///
/// ```
/// use switchboard_driver::Driver;
///
/// assert_eq!("poll".parse::<Driver>().unwrap(), Driver::Poll);
/// let error = "kpoll".parse::<Driver>().unwrap_err().to_string();
/// assert!(error.contains("unknown driver `kpoll`") && error.contains("epoll"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// `select(2)`: every platform; at most `FD_SETSIZE` descriptors, each examined in every wait.
    Select,
    /// `poll(2)`: every platform; no limit, each descriptor examined in every wait.
    Poll,
    /// `epoll(7)`: Linux; the cost of a wait depends on how many descriptors are ready, not on how
    /// many are registered.
    Epoll,
    /// `io_uring(7)`: Linux from 6.0; the kernel carries operations out, and one system call per
    /// turn both submits and waits.
    Uring,
    /// The `polling` crate: kqueue on macOS and BSD, epoll on Linux.
    Portable,
    /// A simulated kernel: seeded order, spurious and partial events, virtual time.
    Sim,
}

impl Driver {
    /// Every driver, whether this platform has it or not.
    pub const ALL: [Driver; 6] = [
        Driver::Select,
        Driver::Poll,
        Driver::Epoll,
        Driver::Uring,
        Driver::Portable,
        Driver::Sim,
    ];

    /// Returns the best readiness driver of this platform: `epoll` on Linux, `portable` elsewhere.
    pub const fn best() -> Driver {
        if cfg!(any(target_os = "linux", target_os = "android")) {
            Driver::Epoll
        } else {
            Driver::Portable
        }
    }

    /// Returns the name that [`FromStr`] accepts.
    pub const fn name(self) -> &'static str {
        match self {
            Driver::Select => "select",
            Driver::Poll => "poll",
            Driver::Epoll => "epoll",
            Driver::Uring => "uring",
            Driver::Portable => "portable",
            Driver::Sim => "sim",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Driver {
    type Err = UnknownDriver;

    fn from_str(name: &str) -> Result<Driver, UnknownDriver> {
        Driver::ALL
            .into_iter()
            .find(|driver| driver.name() == name)
            .ok_or_else(|| UnknownDriver(name.to_owned()))
    }
}

/// The error for a name that no driver has; its message lists those there are.
///
/// ```
/// use switchboard_driver::{Driver, UnknownDriver};
///
/// let error: UnknownDriver = "iocp".parse::<Driver>().unwrap_err();
/// assert!(error.to_string().contains("select, poll, epoll"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDriver(String);

impl fmt::Display for UnknownDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Driver::ALL.map(Driver::name).join(", ");
        write!(f, "unknown driver `{}`: use one of {known}", self.0)
    }
}

impl std::error::Error for UnknownDriver {}
