//! Which driver: chosen by value at run time.

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::{Poller, Sim};

/// A kernel interface to wait with.
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
    /// `select(2)`: everywhere; at most `FD_SETSIZE` descriptors, each looked at in every wait.
    Select,
    /// `poll(2)`: everywhere; no limit, each descriptor looked at in every wait.
    Poll,
    /// `epoll(7)`: Linux; a wait costs what is ready, not what is registered.
    Epoll,
    /// `io_uring(7)`: Linux from 6.0; the kernel carries operations out, and one system call a turn
    /// hands over and waits.
    Uring,
    /// The `polling` crate: kqueue on macOS and BSD, epoll on Linux.
    Portable,
    /// A simulated kernel: seeded order, spurious and partial reports, virtual time.
    Sim,
}

impl Driver {
    /// Every driver, on any platform.
    pub const ALL: [Driver; 6] = [
        Driver::Select,
        Driver::Poll,
        Driver::Epoll,
        Driver::Uring,
        Driver::Portable,
        Driver::Sim,
    ];

    /// The best this platform has: epoll on Linux, the portable one elsewhere.
    pub const fn best() -> Driver {
        if cfg!(any(target_os = "linux", target_os = "android")) {
            Driver::Epoll
        } else {
            Driver::Portable
        }
    }

    /// The name that [`FromStr`] takes.
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

    /// `uring` where it is to be had: it measured best in the project's benchmark, for many connections
    /// and for short ones, though not for a single one. [`best`](Driver::best) elsewhere.
    pub fn auto() -> Driver {
        match Driver::Uring.open() {
            Ok(_) => Driver::Uring,
            Err(_) => Driver::best(),
        }
    }

    /// This driver; or epoll, and the reason, where this is `uring` and there is no io_uring: it may be
    /// forbidden where programs run in containers.
    ///
    /// # Errors
    /// As [`open`](Driver::open).
    pub fn available(self) -> io::Result<(Driver, Option<io::Error>)> {
        match self.open() {
            Ok(_) => Ok((self, None)),
            Err(error) if self == Driver::Uring && error.kind() == io::ErrorKind::Unsupported => {
                Driver::best().open().map(|_| (Driver::best(), Some(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// `Unsupported`, naming the driver and one to use instead, where the platform lacks it;
    /// the system's error where it has no descriptor left.
    pub fn open(self) -> io::Result<Box<dyn Poller>> {
        match self {
            Driver::Select => Ok(Box::new(crate::select::Select::new()?)),
            Driver::Poll => Ok(Box::new(crate::poll::Poll::new()?)),
            Driver::Epoll => crate::epoll::open(),
            Driver::Uring => crate::uring::open(),
            Driver::Portable => Ok(Box::new(crate::portable::Portable::new()?)),
            Driver::Sim => Ok(Box::new(Sim::new(0)?)),
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

/// A name that is no driver's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDriver(String);

impl fmt::Display for UnknownDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Driver::ALL.map(Driver::name).join(", ");
        write!(f, "unknown driver `{}`: use one of {known}", self.0)
    }
}

impl std::error::Error for UnknownDriver {}
