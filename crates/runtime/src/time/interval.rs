//! Intervals: ticks at a fixed distance.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::now;
use super::sleep::{Sleep, sleep_until};

/// The lateness up to which a tick counts as on time.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Returns ticks `period` apart, of which the first one comes at once.
///
/// # Panics
/// If `period` is zero.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model};
///
/// let passed = Model::Tasks.run(async {
///     let begin = runtime::now();
///     let mut interval = runtime::interval(Duration::from_millis(1));
///     for _ in 0..4 {
///         interval.tick().await;
///     }
///     runtime::now() - begin
/// })?;
/// assert!(passed >= Duration::from_millis(3));
/// # std::io::Result::Ok(())
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// Returns ticks `period` apart, of which the first one comes at `start`, in the time of [`now`].
///
/// # Panics
/// If `period` is zero.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model};
///
/// Model::Threads.run(async {
///     let start = runtime::now() + Duration::from_millis(2);
///     let mut interval = runtime::interval_at(start, Duration::from_millis(1));
///     assert_eq!(interval.tick().await, start);
///     assert_eq!(interval.tick().await, start + interval.period());
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is zero");
    Interval {
        period,
        missed: MissedTickBehavior::default(),
        next: sleep_until(start),
    }
}

/// The rule for the tick after one that came late, because nothing waited for it or the loop was held.
///
/// ```text
///   time (periods)   0     1     2     3     4     5     6
///   on time          |     |     |     |     |     |     |
///   late at 1.5:
///   Burst            |        |..|..|  |     |     |     |     until it has caught up
///   Delay            |        |        |        |       |      a period after the late one
///   Skip             |        |  |     |     |     |     |     at the next multiple of the period
/// ```
///
/// A tick that comes 5 ms late or less is on time.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Driver, MissedTickBehavior, Model};
///
/// let ms = Duration::from_millis;
/// for (rule, expected) in [
///     (MissedTickBehavior::Burst, [0, 250, 250, 300]),
///     (MissedTickBehavior::Delay, [0, 250, 350, 450]),
///     (MissedTickBehavior::Skip, [0, 250, 300, 400]),
/// ] {
///     let ticks = Model::Tasks.run_with(Driver::Sim, async move {
///         let begin = runtime::now();
///         let mut interval = runtime::interval(ms(100));
///         interval.set_missed_tick_behavior(rule);
///         interval.tick().await;
///         runtime::sleep(ms(250)).await;
///         let mut ticks = vec![0];
///         for _ in 0..3 {
///             interval.tick().await;
///             ticks.push((runtime::now() - begin).as_millis());
///         }
///         ticks
///     })?;
///     assert_eq!(ticks, expected, "{rule:?}");
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTickBehavior {
    /// Missed ticks follow one another at once, until the interval has caught up.
    #[default]
    Burst,
    /// The next tick comes one period after the late one.
    Delay,
    /// The next tick comes at the next multiple of the period since the start.
    Skip,
}

impl MissedTickBehavior {
    /// Returns the time of the tick after that of `due`, which came at `now`.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Option<Instant> {
        let late = now.saturating_duration_since(due);
        if late <= TOLERANCE {
            return due.checked_add(period);
        }
        match self {
            MissedTickBehavior::Burst => due.checked_add(period),
            MissedTickBehavior::Delay => now.checked_add(period),
            MissedTickBehavior::Skip => {
                let into = late.as_nanos() % period.as_nanos();
                let left = period.as_nanos() - into;
                now.checked_add(Duration::from_nanos_u128(left))
            }
        }
    }
}

/// Ticks at a fixed distance; see [`interval`].
///
/// In a [`race`](crate::race) a tick that loses is not lost: the next [`tick`](Interval::tick) waits for the
/// same one.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Interval, Model, race};
///
/// let ticks = Model::Tasks.run(async {
///     let (sender, receiver) = runtime::channel::<u32>(1);
///     let worker = runtime::spawn(async move {
///         runtime::sleep(Duration::from_millis(5)).await;
///         sender.send(42).await.unwrap();
///     });
///     let mut interval: Interval = runtime::interval(Duration::from_millis(1));
///     let mut ticks = 0;
///     loop {
///         let tick = async {
///             interval.tick().await;
///             None
///         };
///         let answer = async { receiver.recv().await.ok() };
///         match race(answer, tick).await {
///             None => ticks += 1, // draw a progress bar
///             Some(_) => break,
///         }
///     }
///     worker.await.unwrap();
///     ticks
/// })?;
/// assert!(ticks >= 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    missed: MissedTickBehavior,
    next: Sleep,
}

impl Interval {
    /// Waits for the next tick and returns the time for which it was due. Dropping the future loses no tick.
    ///
    /// # Panics
    /// [Outside of any flow](crate#outside-of-any-flow).
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|context| self.poll_tick(context)).await
    }

    /// Polls for the next tick, as [`tick`](Interval::tick) does.
    ///
    /// # Panics
    /// [Outside of any flow](crate#outside-of-any-flow).
    #[track_caller]
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.next).poll(context));
        let now = now();
        let due = self.next.deadline().unwrap_or(now);
        let next = self.missed.next(due, now, self.period);
        self.next.set_deadline(next);
        Poll::Ready(due)
    }

    /// Sets the next tick to one period from now. A flow that waits must poll again.
    pub fn reset(&mut self) {
        self.next.set_deadline(now().checked_add(self.period));
    }

    /// Sets the next tick to `when`. A flow that waits must poll again.
    pub fn reset_at(&mut self, when: Instant) {
        self.next.reset(when);
    }

    /// Returns the distance of the ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns the rule for late ticks.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets the rule for late ticks; [`MissedTickBehavior::Burst`] at first.
    pub fn set_missed_tick_behavior(&mut self, rule: MissedTickBehavior) {
        self.missed = rule;
    }
}
