//! Opening a driver at run time.

use std::io;

use crate::poll::Poll;
use crate::portable::Portable;
use crate::select::Select;
use crate::{Driver, Poller, Sim, epoll, uring};

impl Driver {
    /// Returns `uring` if it can be opened, else [`best`](Driver::best). In the project's benchmark
    /// `uring` is fastest for many connections and for short ones, though not for a single one.
    pub fn auto() -> Driver {
        match Driver::Uring.open() {
            Ok(_) => Driver::Uring,
            Err(_) => Driver::best(),
        }
    }

    /// Returns this driver if it can be opened. For `uring` on a system without io_uring (containers
    /// often forbid it), returns [`best`](Driver::best) and the reason instead.
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

    /// Opens the driver.
    ///
    /// # Errors
    /// - `Unsupported` if the platform lacks the driver; the message names another one to use.
    /// - The system's error if no descriptor is left.
    pub fn open(self) -> io::Result<Box<dyn Poller>> {
        match self {
            Driver::Select => Ok(Box::new(Select::new()?)),
            Driver::Poll => Ok(Box::new(Poll::new()?)),
            Driver::Epoll => epoll::open(),
            Driver::Uring => uring::open(),
            Driver::Portable => Ok(Box::new(Portable::new()?)),
            Driver::Sim => Ok(Box::new(Sim::new(0)?)),
        }
    }
}
