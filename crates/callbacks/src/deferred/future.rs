//! Conversions between Deferreds and futures.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard_runtime as runtime;

use crate::deferred::cancelled::{Cancelled, Reason};
use crate::deferred::drops::Effect;
use crate::deferred::link::State;
use crate::deferred::{Deferred, Failure};

impl<T: 'static, E: Failure> IntoFuture for Deferred<T, E> {
    type Output = Result<T, E>;
    type IntoFuture = DeferredFuture<T, E>;

    fn into_future(self) -> DeferredFuture<T, E> {
        DeferredFuture(self)
    }
}

/// The future of a [`Deferred`]'s result. Dropping it before the result is there cancels the Deferred,
/// because nothing else can wait for the result.
///
/// ```
/// use std::time::Duration;
/// use switchboard_callbacks::Deferred;
/// use switchboard_runtime::{self as runtime, Model};
///
/// let sum = Model::Tasks.run(async {
///     let slow = Deferred::<u32, String>::from_future(async {
///         runtime::sleep(Duration::from_millis(1)).await;
///         Ok(40)
///     });
///     slow.add_callback(|number| Ok(number + 2)).await
/// })?;
/// assert_eq!(sum, Ok(42));
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a future does nothing unless it is awaited, and dropped it cancels its Deferred"]
pub struct DeferredFuture<T: 'static, E: Failure>(Deferred<T, E>);

impl<T: 'static, E: Failure> Future for DeferredFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, E>> {
        let state = &self.0.0.state;
        match state.take() {
            State::Fired(fired) => Poll::Ready(fired.result),
            State::Pending | State::Awaited(_) => {
                state.set(State::Awaited(context.waker().clone()));
                Poll::Pending
            }
            // The future is polled again after its result was taken.
            _ => Poll::Ready(Err(E::from(Cancelled::from(Reason::Dropped)))),
        }
    }
}

impl<T: 'static, E: Failure> Drop for DeferredFuture<T, E> {
    fn drop(&mut self) {
        Effect::Cancel(self.0.0.chain.clone()).happen();
    }
}

impl<T: 'static, E: Failure> fmt::Debug for DeferredFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeferredFuture").field(&self.0).finish()
    }
}

impl<T: 'static, E: Failure> Deferred<T, E> {
    /// Starts `future` as a task of the loop that runs on this thread, and fires the Deferred with its
    /// output. The first poll is in the loop's next turn.
    ///
    /// Cancelling the Deferred drops the future in the next turn. The Deferred fails with [`Cancelled`] if the
    /// future panics, if the loop is dropped first, or at once if no loop runs on this thread, as under the
    /// blocking models.
    #[track_caller]
    pub fn from_future(future: impl Future<Output = Result<T, E>> + 'static) -> Deferred<T, E> {
        // A blocking flow within a task holds the loop, which could never run a task that the flow awaits.
        if !runtime::is_on_loop() {
            return Deferred::fail(E::from(Reason::NoLoop.into()));
        }
        let (deferred, resolver) = Deferred::new();
        let mut task = runtime::spawn_local(async move { resolver.fire(future.await) });
        deferred.set_canceller(Some(Box::new(move || task.cancel())));
        deferred
    }
}
