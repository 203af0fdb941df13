//! The handle that cancels a Deferred.

use std::fmt;
use std::rc::Rc;

use crate::deferred::chain::Chain;

/// A handle that cancels a Deferred, also after the Deferred was given away. A clone cancels the same one.
///
/// ```
/// use switchboard_callbacks::Deferred;
///
/// let (deferred, resolver) = Deferred::<u32, String>::new();
/// let canceller = deferred.canceller();
/// let deferred = deferred.add_errback(|error| Deferred::<_, String>::fail(format!("oh: {error}")));
/// canceller.cancel();
/// // Ignored, because the Deferred was cancelled.
/// resolver.callback(1);
/// # deferred.add_errback(|error| {
/// #     assert_eq!(error, "oh: cancelled");
/// #     Ok::<_, String>(0)
/// # });
/// ```
#[derive(Clone)]
pub struct Canceller(pub(crate) Rc<Chain>);

impl Canceller {
    /// Cancels the Deferred, as [`Deferred::cancel`](crate::Deferred::cancel) does.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canceller(of {})", self.0.created_at)
    }
}
