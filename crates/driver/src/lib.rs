//! What is ready, what is done?
//!
//! One file per kernel interface, all of one shape: [`Poller`] registers descriptors and waits for
//! them. [`Driver`] names the interfaces and opens one by value at run time.
//!
//! ```
//! use std::{os::fd::AsFd, os::unix::net::UnixStream, io::Write, time::Duration};
//! use switchboard_driver::{Driver, Interest, Mode, Token};
//!
//! let (mut here, there) = UnixStream::pair()?;
//! let mut poller = Driver::best().open()?;
//! poller.register(there.as_fd(), Token(7), Interest::READ, Mode::Level)?;
//!
//! here.write_all(b"hello")?;
//! let mut events = Vec::new();
//! poller.wait(&mut events, Some(Duration::from_secs(1)))?;
//! assert_eq!(events[0].token, Token(7));
//! assert!(events[0].ready.is_readable());
//! # std::io::Result::Ok(())
//! ```

mod choice;
mod chunk;
mod complete;
mod epoll;
mod notify;
mod poll;
mod portable;
mod refuse;
mod retry;
mod select;
mod sim;
mod slots;
mod types;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod uring;

pub use choice::{Driver, UnknownDriver};
pub use chunk::Chunk;
pub use complete::{CompletionDriver, Completions, Request, Unclaimed};
pub use notify::{Notifier, NotifyFd};
pub use sim::{Sim, Step};
pub use types::{Event, Interest, Mode, Ready, Token};

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::{Duration, Instant};

/// A kernel interface that tells which descriptors are ready.
///
/// The contract, kept by every driver and checked by one suite over all of them:
///
/// - **Registering is by descriptor.** Registering one that is registered already replaces its
///   token, interest and mode, so a number that was closed and reused never answers for its past.
/// - **Level** mode reports a descriptor in every wait for as long as it is ready. **Edge** mode
///   reports it when it *becomes* ready (and once on registering or modifying, if it is ready then);
///   drivers without it refuse it, see [`Poller::has_edge`].
/// - **Events may be spurious**: the call that follows may still say `WouldBlock`.
/// - **A hang-up or an error is reported whatever the interest was**, and makes both directions
///   ready, so that whoever waits makes the call and is told the cause. (Interest may be empty.)
///   Two kernel interfaces fall short: `select(2)` has no word for either and reports what was asked
///   for, of reading and writing, as ready, so that an empty interest is told nothing; nor is it by
///   kqueue, beneath `portable`.
/// - **Out-of-band data** is reported to who asks for it, except by kqueue.
/// - **Closing a registered descriptor** is a mistake that a driver survives: it either forgets the
///   descriptor or reports it once as [`Ready::ERROR`] and forgets it. Other descriptors don't notice.
///   While a duplicate of it is open elsewhere (`dup`, a forked child), `epoll` and those that build
///   on it, `portable` and `sim`, can't know: they go on reporting the file under the old number.
/// - **A wait is never shorter than asked**, unless something is ready or the [`Notifier`] was used. A
///   signal that interrupts the wait doesn't end it. A wake-up ends the wait with no event of its own.
pub trait Poller: Send {
    /// The driver this is.
    fn driver(&self) -> Driver;

    /// Whether [`Mode::Edge`] is to be had.
    fn has_edge(&self) -> bool;

    /// Whether the end of input is told by [`Ready::READ_CLOSED`]. Where it isn't, the end may arrive
    /// with the last bytes in one edge, so that only a read that would block proves that nothing is
    /// left.
    fn has_read_closed(&self) -> bool {
        true
    }

    /// Watches `fd` for `interest`; its events carry `token`. Never blocks.
    ///
    /// The descriptor must stay open until [`deregister`](Poller::deregister).
    ///
    /// # Errors
    /// `InvalidInput` for the token that is the driver's own, `usize::MAX`;
    /// the system's error; `select` refuses descriptors from `FD_SETSIZE` on, naming the limit and a
    /// driver that has none; a driver without edge mode refuses it with `Unsupported`.
    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()>;

    /// Replaces token, interest and mode of a registered descriptor. Never blocks.
    ///
    /// # Errors
    /// `NotFound` if `fd` is not registered; else as [`register`](Poller::register).
    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()>;

    /// Stops watching `fd`, by number, so that it also serves for a descriptor that was closed
    /// before its time. Never blocks.
    ///
    /// # Errors
    /// `NotFound` if `fd` is not registered, or was closed and is forgotten already.
    fn deregister(&mut self, fd: RawFd) -> io::Result<()>;

    /// Waits until a descriptor is ready, the waker is used, or `timeout` has passed (`None`: for
    /// as long as it takes; zero: not at all). `events` is cleared first.
    ///
    /// # Errors
    /// Those of the system call; none is to be expected.
    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// A handle that ends a wait from another thread. It stays valid, and then does nothing, after
    /// the poller is gone.
    fn notifier(&self) -> Notifier;

    /// What it does for sockets beside, if it is one that answers "what is done?".
    fn completion_driver(&mut self) -> Option<&mut dyn CompletionDriver> {
        None
    }

    /// The time as this driver counts it: the system's monotonic clock, or the virtual one of
    /// [`Sim`].
    fn now(&self) -> Instant {
        Instant::now()
    }
}
