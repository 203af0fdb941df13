//! Readiness and completion drivers: one interface over the kernel interfaces an event loop waits
//! with.
//!
//! [`Poller`] registers descriptors and waits for their events; each driver is one file that
//! implements it. [`Driver`] names the drivers and opens one at run time. `uring` is also a
//! [`CompletionDriver`], which carries operations on sockets out.
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

mod chunk;
mod completion;
mod driver;
mod epoll;
mod error;
mod fd_table;
mod notify;
mod open;
mod poll;
mod portable;
mod queued;
mod retry;
mod select;
mod sim;
mod types;
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    path = "uring_unsupported.rs"
)]
mod uring;

pub use chunk::Chunk;
pub use completion::{CompletionDriver, Completions, Later, Request, Unclaimed};
pub use driver::{Driver, UnknownDriver};
pub use notify::{Notifier, NotifyFd};
pub use queued::unacknowledged;
pub use sim::{Sim, Step};
pub use types::{Event, Interest, Mode, Ready, Token};
pub use uring::Uring;

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::{Duration, Instant};

/// An open driver: registers descriptors and waits until some of them are ready.
///
/// Every driver keeps the following contract; one test suite checks all of them.
///
/// - **Registrations are keyed by descriptor.** Registering a descriptor again replaces its token,
///   interest and mode, so a number that was closed and reused never reports events of its former
///   file.
/// - **Level** mode reports a descriptor in every wait for as long as it is ready. **Edge** mode
///   reports it when it *becomes* ready, and once when it is registered or modified, if it is ready
///   then. Drivers without edge mode reject it; see [`Poller::has_edge`].
/// - **Events may be spurious**: the call that follows may still fail with `WouldBlock`.
/// - **A hang-up or an error is reported whatever the interest is**, even if it is empty. Either
///   makes both directions ready, so that the waiting flow makes its call and gets the error. There
///   are two exceptions: `select` reports hang-ups and errors as readiness of the directions in the
///   interest, and so does not report them for an empty one; neither does kqueue, beneath `portable`.
///   For an interest in out-of-band data only, `select` looks for them every 20 ms.
/// - **Out-of-band data** is reported to a descriptor registered for [`Interest::PRIORITY`], except
///   by kqueue.
/// - **Closing a registered descriptor** is a mistake that a driver survives: it either forgets the
///   descriptor, or reports it once as [`Ready::ERROR`] and then forgets it. Other descriptors are
///   not affected. While a duplicate is open elsewhere (`dup`, a forked child), `epoll` and the
///   drivers built on it, `portable` and `sim`, cannot detect the close and still report the file
///   under the old number.
/// - **A wait is never shorter than its timeout**, unless a descriptor is ready or the [`Notifier`]
///   was used. A signal does not end a wait. A notification ends it without an event.
///
/// ```
/// use std::{os::fd::AsFd, os::unix::net::UnixStream, time::Duration};
/// use switchboard_driver::{Driver, Interest, Mode, Poller, Token};
///
/// /// Returns whether a socket becomes readable within `timeout`.
/// fn is_readable(poller: &mut dyn Poller, timeout: Duration) -> std::io::Result<bool> {
///     let mut events = Vec::new();
///     poller.wait(&mut events, Some(timeout))?;
///     Ok(events.iter().any(|event| event.ready.is_readable()))
/// }
///
/// let (here, _there) = UnixStream::pair()?;
/// for driver in [Driver::Select, Driver::Poll, Driver::best()] {
///     let mut poller = driver.open()?;
///     poller.register(here.as_fd(), Token(0), Interest::READ, Mode::Level)?;
///     assert!(!is_readable(&mut *poller, Duration::ZERO)?);
/// }
/// # std::io::Result::Ok(())
/// ```
pub trait Poller: Send {
    /// Returns which driver this is.
    fn driver(&self) -> Driver;

    /// Returns whether the driver supports [`Mode::Edge`].
    fn has_edge(&self) -> bool;

    /// Returns whether the driver reports the end of input as [`Ready::READ_CLOSED`]. If not, the
    /// end may arrive with the last bytes in one edge, so only a read that would block proves that
    /// nothing is left.
    fn has_read_closed(&self) -> bool {
        true
    }

    /// Registers `fd` for `interest`; its events carry `token`. Never blocks.
    ///
    /// The descriptor must stay open until [`deregister`](Poller::deregister).
    ///
    /// # Errors
    /// - `InvalidInput` for the token `usize::MAX`, which is reserved for the driver.
    /// - `Unsupported` for edge mode from a driver that lacks it, and from `select` for a descriptor
    ///   of `FD_SETSIZE` or above. The message names the limit and a driver without it.
    /// - The system's error.
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

    /// Ends the registration of `fd`. Takes a number, so that a descriptor that was closed too early
    /// can be deregistered too. Never blocks.
    ///
    /// # Errors
    /// `NotFound` if `fd` is not registered, or was closed and the driver has forgotten it.
    fn deregister(&mut self, fd: RawFd) -> io::Result<()>;

    /// Waits until a descriptor is ready, the notifier is used, or `timeout` has passed, and replaces
    /// the content of `events`. A timeout of `None` waits without limit; zero does not block.
    ///
    /// # Errors
    /// Those of the system call; none is expected.
    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns a handle that ends a wait from another thread. The handle may outlive the poller; then
    /// it does nothing.
    fn notifier(&self) -> Notifier;

    /// Returns the operations on sockets, if this is a completion driver; `Uring` is the only one.
    fn completion_driver(&mut self) -> Option<&mut Uring> {
        None
    }

    /// Returns the driver's time: the system's monotonic clock, or the virtual one of [`Sim`].
    fn now(&self) -> Instant {
        Instant::now()
    }
}
