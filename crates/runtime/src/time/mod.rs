//! Time: sleeps, time limits and intervals.

mod interval;
mod sleep;
mod timeout;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use switchboard_reactor::Loop;

pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

/// Returns the time that this flow's timers use: its loop's time, which is virtual under the `sim` driver,
/// or the system's monotonic clock.
///
/// A loop reads its clock once a turn.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Driver, Model};
///
/// let passed = Model::Tasks.run_with(Driver::Sim, async {
///     let begin = runtime::now();
///     runtime::sleep(Duration::from_secs(3600)).await;
///     runtime::now() - begin
/// })?;
/// assert!(passed >= Duration::from_secs(3600));
/// # std::io::Result::Ok(())
/// ```
pub fn now() -> Instant {
    Loop::with_current(|lp| lp.map_or_else(Instant::now, Loop::now))
}

/// Lets every other task and callback that is ready run first. In a blocking flow, the future is polled
/// again at once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
