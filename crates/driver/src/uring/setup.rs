//! Opening a ring, and explaining why that is not possible.

use std::io;

use rustix::io::Errno;

use super::buffer_ring::BufferRing;
use super::ring::Ring;
use super::sends::Sends;
use super::sockets::Sockets;
use super::{PollState, Uring};
use crate::Poller;
use crate::epoll::Epoll;

/// Opens a ring.
///
/// # Errors
/// `Unsupported`, with the reason and the remedy.
pub(crate) fn open() -> io::Result<Box<dyn Poller>> {
    Ok(Box::new(open_uring()?))
}

pub(super) fn open_uring() -> io::Result<Uring> {
    let ring = Ring::open().map_err(|error| explain(&error))?;
    let buffers = BufferRing::register(&ring).map_err(|error| explain(&error))?;
    Ok(Uring {
        ring,
        buffers,
        sockets: Sockets::default(),
        sends: Sends::default(),
        epoll: Epoll::new()?,
        notify_poll: PollState::Disarmed,
        epoll_poll: PollState::Unused,
        parked_poll: PollState::Unused,
        early_events: Vec::new(),
        notified: false,
    })
}

fn explain(error: &io::Error) -> io::Error {
    let reason = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSYS) => "this kernel was built without it",
        Some(Errno::PERM | Errno::ACCESS) => {
            "it is forbidden: set the sysctl kernel.io_uring_disabled to 0, and allow io_uring_setup, \
             io_uring_enter and io_uring_register in the seccomp profile of the container"
        }
        Some(Errno::INVAL) => "this kernel is too old: Linux 6.0 or later is needed",
        Some(Errno::NOMEM) => "the limit of locked memory is reached: raise `ulimit -l`",
        Some(Errno::MFILE | Errno::NFILE) => "no descriptor is left: raise `ulimit -n`",
        _ => "the system rejects it",
    };
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("no io_uring ({error}): {reason}; or use `epoll`"),
    )
}
