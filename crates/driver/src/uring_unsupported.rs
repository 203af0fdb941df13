//! The stub for platforms without io_uring.

use std::io;

use crate::{Driver, Poller};

/// Returns the error of a platform without io_uring.
pub(crate) fn open() -> io::Result<Box<dyn Poller>> {
    let best = Driver::best();
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("this platform has no io_uring; use the `{best}` driver"),
    ))
}
