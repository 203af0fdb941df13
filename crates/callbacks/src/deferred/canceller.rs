//! Cancelling, and what it looks like to the errbacks.

use std::fmt;
use std::io;
use std::rc::Rc;

use crate::deferred::slot::Chain;

/// Cancels a Deferred, also after it was handed on. A clone cancels the same.
///
/// ```
/// use switchboard_callbacks::Deferred;
///
/// let (deferred, resolver) = Deferred::<u32, String>::new();
/// let canceller = deferred.canceller();
/// let deferred = deferred.add_errback(|error| Deferred::<_, String>::fail(format!("oh: {error}")));
/// canceller.cancel();
/// // Too late.
/// resolver.callback(1);
/// # deferred.add_errback(|error| {
/// #     assert_eq!(error, "oh: cancelled");
/// #     Ok::<_, String>(0)
/// # });
/// ```
#[derive(Clone)]
pub struct Canceller(pub(crate) Rc<Chain>);

impl Canceller {
    /// As [`Deferred::cancel`](crate::Deferred::cancel).
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canceller(of {})", self.0.made)
    }
}

/// Nobody will fire this Deferred: it was cancelled, or its resolver is gone.
///
/// As an [`io::Error`] its kind is `Other`. It is not `Interrupted`, which much code, that of the
/// standard library too, answers by trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled(Why);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Asked,
    Dropped,
    Cycle,
    NoLoop,
}

impl From<Why> for Cancelled {
    fn from(why: Why) -> Cancelled {
        Cancelled(why)
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Why::Asked => "cancelled",
            Why::Dropped => "cancelled: nobody is left to fire it",
            Why::Cycle => "cancelled: a callback returned a Deferred that waits for this one",
            Why::NoLoop => {
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
