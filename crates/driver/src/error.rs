//! Errors that several drivers return in the same words.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::RawFd;

use crate::{Driver, Mode, Token};

/// The token of the driver's own notifications.
pub(crate) const NOTIFY: Token = Token(usize::MAX);

/// Rejects the token that is reserved for the driver.
pub(crate) fn check_token(token: Token) -> Result<()> {
    if token == NOTIFY {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the token usize::MAX is reserved for the driver",
        ));
    }
    Ok(())
}

/// Rejects edge mode on behalf of a driver that has only level mode.
pub(crate) fn check_level(driver: Driver, mode: Mode) -> Result<()> {
    match mode {
        Mode::Level => Ok(()),
        Mode::Edge => Err(unsupported_mode(driver, mode)),
    }
}

/// Returns the error of a `driver` that does not support `mode`.
pub(crate) fn unsupported_mode(driver: Driver, mode: Mode) -> Error {
    let (mode, other) = match mode {
        Mode::Level => ("level", "edge"),
        Mode::Edge => ("edge", "level"),
    };
    let best = Driver::best();
    Error::new(
        ErrorKind::Unsupported,
        format!("{driver} has no {mode}-triggered mode; use {other} mode, or the `{best}` driver"),
    )
}

/// Returns the error for a descriptor that was never registered or no longer is.
pub(crate) fn not_registered(fd: RawFd) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("descriptor {fd} is not registered"),
    )
}
