//! The beginning and the end of a server's connections, as hooks receive them.

use std::error::Error;
use std::fmt;
use std::io;
use std::iter::successors;
use std::time::Duration;

use super::Name;

/// A connection that a server accepted, as [`Hooks::accept`](super::Hooks::accept) receives it.
#[derive(Clone, Copy)]
pub struct Opened<'a> {
    /// The connection's number, unique in the process that accepted it. [`Closed`] has the same.
    pub id: u64,
    /// The peer's address. The system is asked for it only when it is printed.
    pub peer: &'a dyn fmt::Display,
    /// The place where the handler was given to the server.
    pub handler: Name,
}

impl fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({}, {})", self.id, self.peer)
    }
}

/// The end of a connection, as [`Hooks::close`](super::Hooks::close) receives it.
///
/// ```
/// use std::panic::Location;
/// use std::time::Duration;
/// use switchboard_reactor::{Closed, Ending};
///
/// let closed = Closed {
///     id: 7,
///     handler: Location::caller(),
///     lasted: Duration::from_millis(1500),
///     traffic: None,
///     ending: Ending::Panicked,
/// };
/// assert!(closed.to_string().starts_with("connection 7 ended after 1.500 s: the handler at "));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Closed<'a> {
    /// The connection's number, as in [`Opened`].
    pub id: u64,
    /// The place where the handler was given to the server.
    pub handler: Name,
    /// The time since the connection was accepted, in whole milliseconds.
    pub lasted: Duration,
    /// The bytes it carried, where the server is observed.
    pub traffic: Option<Traffic>,
    /// How it ended.
    pub ending: Ending<'a>,
}

impl Closed<'_> {
    /// Returns whether an operator should know: the handler panicked, or returned an error other than a
    /// [disconnect](Ending::is_disconnect), or the connection was refused.
    pub fn is_warning(&self) -> bool {
        match self.ending {
            Ending::Finished | Ending::Cut => false,
            Ending::Failed(_) => !self.ending.is_disconnect(),
            Ending::Panicked | Ending::Refused => true,
        }
    }
}

impl fmt::Display for Closed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, lasted) = (self.id, self.lasted.as_secs_f64());
        write!(f, "connection {id} ended after {lasted:.3} s: ")?;
        match self.ending {
            Ending::Finished => f.write_str("finished"),
            Ending::Failed(error) => write!(f, "{error}"),
            Ending::Panicked => write!(f, "the handler at {} panicked", self.handler),
            Ending::Refused => {
                f.write_str("refused, because nothing could be started to handle it")
            }
            Ending::Cut => f.write_str("cut, because the server stops"),
        }
    }
}

/// The bytes that a connection carried.
///
/// ```
/// let traffic = switchboard_reactor::Traffic::default();
/// assert_eq!((traffic.received, traffic.sent), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received from the peer.
    pub received: u64,
    /// Bytes that the system took to send.
    pub sent: u64,
}

/// How a connection ended.
///
/// ```
/// use switchboard_reactor::Ending;
///
/// let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
/// assert!(Ending::Failed(&error).is_disconnect());
/// assert!(!Ending::Panicked.is_disconnect());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Ending<'a> {
    /// The handler returned without an error.
    Finished,
    /// The handler returned this error.
    Failed(&'a (dyn Error + 'static)),
    /// The handler panicked.
    Panicked,
    /// No thread, stack or process could be started for the handler.
    Refused,
    /// The connection was open when the server's time to drain was over.
    Cut,
}

impl Ending<'_> {
    /// Returns whether the connection ended because the peer has gone: by a reset, a broken pipe, or the
    /// kernel's own time-out. It may be the source of another error. An error of a handler with such a kind
    /// counts too; time-outs and early ends of input that a program reports do not.
    pub fn is_disconnect(&self) -> bool {
        let Ending::Failed(error) = self else {
            return false;
        };
        let mut sources = successors(Some(*error), |&error| error.source());
        sources.any(|error| error.downcast_ref().is_some_and(is_disconnect))
    }
}

fn is_disconnect(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::NotConnected => true,
        io::ErrorKind::TimedOut => error.raw_os_error().is_some(),
        _ => false,
    }
}
