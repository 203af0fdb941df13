//! What a socket has still to deliver.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;

/// Returns how many bytes a stream socket has taken that its peer has not acknowledged; on a Unix socket, that the
/// peer has not read.
///
/// # Errors
/// `Unsupported` on systems other than Linux; the system's.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one integer to the address.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) } {
        0 => Ok(bytes.max(0) as usize),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Returns how many bytes a stream socket has taken that its peer has not acknowledged.
///
/// # Errors
/// `Unsupported` on this system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn unacknowledged(_: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
