//! What every driver refuses, in the same words.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::RawFd;

use crate::{Driver, Mode, Token};

/// The token of the wake-up, in drivers that need one for it.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// Refuses the token that is the driver's own.
pub(crate) fn reserved(token: Token) -> Result<()> {
    if token == WAKE {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the token usize::MAX is the driver's own",
        ));
    }
    Ok(())
}

/// Refuses edge mode, in the name of a driver that has only level mode.
pub(crate) fn edge(driver: Driver, mode: Mode) -> Result<()> {
    match mode {
        Mode::Level => Ok(()),
        Mode::Edge => Err(no_mode(driver, mode)),
    }
}

/// `driver` lacks `mode`.
pub(crate) fn no_mode(driver: Driver, mode: Mode) -> Error {
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

/// `fd` was never registered, or was forgotten.
pub(crate) fn unknown(fd: RawFd) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("descriptor {fd} is not registered"),
    )
}
