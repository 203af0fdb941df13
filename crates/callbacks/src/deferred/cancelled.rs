//! The error of a Deferred that will not be fired.

use std::fmt;
use std::io;

/// The error of a Deferred that was cancelled, or whose resolver was dropped.
///
/// As an [`io::Error`] its kind is `Other`. `Interrupted` would be wrong: much code, also in the standard
/// library, answers that by a retry.
///
/// ```
/// use switchboard_callbacks::{Cancelled, Deferred};
///
/// let (deferred, resolver) = Deferred::<u32, std::io::Error>::new();
/// drop(resolver);
/// deferred.add_errback(|error| {
///     assert!(error.get_ref().unwrap().is::<Cancelled>());
///     Ok::<_, std::io::Error>(0)
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled(Reason);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// `cancel` was called.
    Requested,
    /// The resolver was dropped.
    Dropped,
    /// The Deferred would wait for itself.
    Cycle,
    /// No loop runs on the thread.
    NoLoop,
}

impl From<Reason> for Cancelled {
    fn from(reason: Reason) -> Cancelled {
        Cancelled(reason)
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::Requested => "cancelled",
            Reason::Dropped => "cancelled: the resolver was dropped",
            Reason::Cycle => "cancelled: a callback returned a Deferred that waits for this one",
            Reason::NoLoop => {
                "cancelled: no loop runs the future; use model tasks, green or callbacks"
            }
        })
    }
}

impl std::error::Error for Cancelled {}

impl From<Cancelled> for io::Error {
    fn from(cancelled: Cancelled) -> io::Error {
        io::Error::other(cancelled)
    }
}

impl From<Cancelled> for String {
    fn from(cancelled: Cancelled) -> String {
        cancelled.to_string()
    }
}
