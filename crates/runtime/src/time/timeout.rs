//! Time limits.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::sleep::{Sleep, sleep};

/// The error of a [`timeout`] whose limit passed. As an [`io::Error`], its kind is `TimedOut`.
///
/// ```
/// use std::{future::pending, io, time::Duration};
/// use switchboard_runtime::{self as runtime, Elapsed, Model};
///
/// let limit = Duration::from_millis(1);
/// let late: Result<(), Elapsed> = Model::Tasks.run(runtime::timeout(limit, pending()))?;
/// assert_eq!(io::Error::from(late.unwrap_err()).kind(), io::ErrorKind::TimedOut);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done within {:?}", self.0)
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// Returns a future that waits for `future`, but no longer than `limit` from its first poll.
///
/// A future that is ready when it is polled wins, even if the limit has passed meanwhile.
///
/// Dropping the returned future drops `future`.
///
/// # Errors
/// [`Elapsed`] if the limit passed first.
///
/// # Panics
/// The future panics when it would wait [outside of any flow](crate#outside-of-any-flow).
///
/// ```
/// use std::{future::pending, time::Duration};
/// use switchboard_runtime::{self as runtime, Model};
///
/// let late = Model::Threads.run(async {
///     runtime::timeout(Duration::from_millis(1), pending::<()>()).await
/// })?;
/// assert!(late.is_err());
/// # std::io::Result::Ok(())
/// ```
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    let sleep = None;
    Timeout {
        limit,
        sleep,
        future,
    }
}

pin_project! {
    /// The future of [`timeout`].
    ///
    /// ```
    /// use std::{future::Pending, future::pending, time::Duration};
    /// use switchboard_runtime::{self as runtime, Model, Timeout};
    ///
    /// let late: Timeout<Pending<()>> = runtime::timeout(Duration::from_millis(1), pending());
    /// assert!(Model::Tasks.run(late)?.is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Timeout<F> {
        limit: Duration,
        // Set at the first poll.
        sleep: Option<Sleep>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let limit = *this.limit;
        let sleep = this.sleep.get_or_insert_with(|| sleep(limit));
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(sleep).poll(context).map(|()| Err(Elapsed(limit)))
    }
}
