//! The system calls behind a source's operations.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny};
use switchboard_reactor::Direction;

/// Returns the flags with which poll(2) waits for a direction.
pub(crate) fn poll_flags(direction: Direction) -> PollFlags {
    match direction {
        Direction::Read => PollFlags::IN,
        Direction::Write => PollFlags::OUT,
        Direction::Priority => PollFlags::PRI,
    }
}

pub(crate) fn recv_flags(block: bool) -> RecvFlags {
    if block {
        RecvFlags::empty()
    } else {
        RecvFlags::DONTWAIT
    }
}

pub(crate) fn send_flags(block: bool) -> SendFlags {
    // A closed connection is an error of the call, not a signal.
    let flags = SendFlags::NOSIGNAL;
    if block {
        flags
    } else {
        flags | SendFlags::DONTWAIT
    }
}

/// Accepts a connection, and returns its peer's address if that is an IP address.
pub(crate) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    let (accepted, peer) = accept_from(fd)?;
    Ok((accepted, peer.and_then(|peer| peer.try_into().ok())))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn accept_from(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    Ok(rustix::net::acceptfrom_with(fd, flags)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn accept_from(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    let (accepted, peer) = rustix::net::acceptfrom(fd)?;
    rustix::io::fcntl_setfd(&accepted, rustix::io::FdFlags::CLOEXEC)?;
    // On BSDs an accepted socket inherits the listener's non-blocking mode.
    rustix::io::ioctl_fionbio(&accepted, false)?;
    Ok((accepted, peer))
}

/// Returns whether the connection is closed in both directions, or broken.
pub(crate) fn is_gone(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::empty())];
    let polled = rustix::event::poll(&mut fds, Some(&Timespec::default()));
    polled.is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
