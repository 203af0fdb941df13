//! Two futures in one flow.

use futures_lite::future;

/// Returns the outputs of two futures, once both are complete.
///
/// Each poll asks `first` before `second`. The futures run in one flow: they may borrow what the flow has, and
/// they need not be `Send`. Their output types may differ. [`gather`](crate::gather) waits for any number of
/// futures of one type.
///
/// # Cancellation
/// Dropping the future drops both, also the output of one that is complete.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model};
///
/// let both = Model::Tasks.run(runtime::join(async { 1 }, async { "two" }))?;
/// assert_eq!(both, (1, "two"));
/// # std::io::Result::Ok(())
/// ```
#[inline]
pub fn join<A, B>(first: A, second: B) -> impl Future<Output = (A::Output, B::Output)>
where
    A: Future,
    B: Future,
{
    future::zip(first, second)
}

/// Returns the output of whichever future completes first; the other one, the loser, is dropped.
///
/// Both futures have the same output type `T`: let each return a variant of an enum, or an `Option`, to tell
/// them apart. Each poll asks `first` before `second`, so `first` wins if both are ready. Nest calls to race
/// more than two: `race(a, race(b, c))`.
///
/// The futures run in one flow: they may borrow what the flow has, and they need not be `Send`. A race works
/// under every model, because a thread that waits for several things waits for whichever comes first.
///
/// # Cancellation
/// The loser is dropped together with the race, which ends its wait. Reads,
/// [`Receiver::recv`](crate::Receiver::recv), [`Sleep`](crate::Sleep),
/// [`Interval::tick`](crate::Interval::tick), [`Event::wait`](crate::Event::wait) and
/// [`JoinHandle`](crate::JoinHandle) lose nothing by that, so a loop may race them again and again. An async
/// block loses what it had done: race whole loops instead of their steps where a step must not be cut in the
/// middle. A future that must not start anew, such as a sleep that limits the whole loop, is pinned outside of
/// the loop and raced by `as_mut()`. Dropping the race drops both futures.
///
/// ```
/// use std::pin::pin;
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model, race};
///
/// let ticks = Model::Tasks.run(async {
///     let mut end = pin!(runtime::sleep(Duration::from_millis(9)));
///     let mut interval = runtime::interval(Duration::from_millis(2));
///     let mut ticks = 0;
///     loop {
///         let tick = async { Some(interval.tick().await) };
///         let ended = async {
///             end.as_mut().await;
///             None
///         };
///         match race(ended, tick).await {
///             Some(_) => ticks += 1,
///             None => return ticks,
///         }
///     }
/// })?;
/// assert!((1..=5).contains(&ticks));
/// # std::io::Result::Ok(())
/// ```
#[inline]
pub fn race<T, A, B>(first: A, second: B) -> impl Future<Output = T>
where
    A: Future<Output = T>,
    B: Future<Output = T>,
{
    future::or(first, second)
}
