//! Time limits.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::sleep::{Sleep, sleep, sleep_until};

/// The error of a [`timeout`] whose limit passed, or of a [`timeout_at`] whose deadline did. As an
/// [`io::Error`], its kind is `TimedOut`.
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
pub struct Elapsed(Limit);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    After(Duration),
    At(Instant),
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Limit::After(limit) => write!(f, "not done within {limit:?}"),
            Limit::At(_) => f.write_str("not done by its deadline"),
        }
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
    Timeout {
        limit: Limit::After(limit),
        sleep: None,
        future,
    }
}

/// Returns a future that waits for `future`, but no longer than until [`now`](crate::now) is `deadline`.
///
/// Otherwise it is like [`timeout`]. One deadline can limit several waits in turn.
///
/// # Errors
/// [`Elapsed`] if the deadline passed first.
///
/// # Panics
/// The future panics when it would wait [outside of any flow](crate#outside-of-any-flow).
///
/// ```
/// use std::{future::pending, time::Duration};
/// use switchboard_runtime::{self as runtime, Model};
///
/// let (first, second) = Model::Tasks.run(async {
///     let deadline = runtime::now() + Duration::from_millis(2);
///     let first = runtime::timeout_at(deadline, async { 7 }).await;
///     (first, runtime::timeout_at(deadline, pending::<()>()).await)
/// })?;
/// assert_eq!(first, Ok(7));
/// assert!(second.is_err());
/// # std::io::Result::Ok(())
/// ```
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        limit: Limit::At(deadline),
        sleep: None,
        future,
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
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
        limit: Limit,
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
        let sleep = this.sleep.get_or_insert_with(|| match limit {
            Limit::After(limit) => sleep(limit),
            Limit::At(deadline) => sleep_until(deadline),
        });
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(sleep).poll(context).map(|()| Err(Elapsed(limit)))
    }
}
