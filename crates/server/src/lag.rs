//! How late the loops of a server are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use switchboard_runtime as runtime;

/// The time between two measurements of how late a loop is.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// How late the loops of a server are, as [`Observer::lag`](crate::Observer::lag) returns it. Measured once a
/// second.
///
/// ```
/// assert_eq!(switchboard_server::Lag::default().timer.as_nanos(), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// How much later than due the latest timer of a loop fired; of the latest of all workers.
    pub timer: Duration,
    /// How long a task that was ready waited for its turn.
    pub ready: Duration,
}

/// The lag of one worker's loop, in microseconds.
#[derive(Default)]
pub(crate) struct LagSamples {
    timer: AtomicU64,
    ready: AtomicU64,
}

impl LagSamples {
    /// Measures the lag of the loop that runs on this thread, for ever.
    pub(crate) async fn sample(&self) -> ! {
        loop {
            let due = Instant::now() + SAMPLE_EVERY;
            runtime::sleep(SAMPLE_EVERY).await;
            let woken = Instant::now();
            runtime::yield_now().await;
            let store = |to: &AtomicU64, lag: Duration| {
                to.store(lag.as_micros() as u64, Ordering::Relaxed);
            };
            store(&self.timer, woken.saturating_duration_since(due));
            store(&self.ready, woken.elapsed());
        }
    }

    pub(crate) fn get(&self) -> Lag {
        let load = |from: &AtomicU64| Duration::from_micros(from.load(Ordering::Relaxed));
        Lag {
            timer: load(&self.timer),
            ready: load(&self.ready),
        }
    }
}
