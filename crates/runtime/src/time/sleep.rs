//! Sleeps: futures that complete at a point in time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{Loop, Remote, TimerKey};

use super::now;
use crate::blocking;
use crate::model::{OUTSIDE_OF_A_FLOW, Wait};

/// Returns a future that completes when at least `delay` has passed since this call.
///
/// Dropping the future ends the wait.
///
/// # Panics
/// The future panics when it is polled [outside of any flow](crate#outside-of-any-flow).
///
/// ```
/// use std::time::{Duration, Instant};
/// use switchboard_runtime::{self as runtime, Model};
///
/// let begin = Instant::now();
/// Model::Tasks.run(runtime::sleep(Duration::from_millis(1)))?;
/// assert!(begin.elapsed() >= Duration::from_millis(1));
/// # std::io::Result::Ok(())
/// ```
pub fn sleep(delay: Duration) -> Sleep {
    let now = Loop::with_current(|lp| lp.map_or_else(Instant::now, Loop::time));
    Sleep {
        when: now.checked_add(delay),
        timer: None,
    }
}

/// Returns a future that completes once [`now`] is at least `when`: at once if it is already.
///
/// Dropping the future ends the wait.
///
/// # Panics
/// The future panics when it is polled [outside of any flow](crate#outside-of-any-flow).
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model, race};
///
/// // Of several deadlines the first one wins, and the others are dropped.
/// let first = Model::Tasks.run(async {
///     let begin = runtime::now();
///     let late = async {
///         runtime::sleep_until(begin + Duration::from_secs(3600)).await;
///         "late"
///     };
///     let soon = async {
///         runtime::sleep_until(begin + Duration::from_millis(1)).await;
///         "soon"
///     };
///     race(late, soon).await
/// })?;
/// assert_eq!(first, "soon");
/// # std::io::Result::Ok(())
/// ```
pub fn sleep_until(when: Instant) -> Sleep {
    Sleep {
        when: Some(when),
        timer: None,
    }
}

/// A future that completes at a point in time; see [`sleep`] and [`sleep_until`]. Dropping it ends the wait.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model, Sleep};
///
/// Model::Threads.run(async {
///     let mut sleep = Sleep::until(runtime::now() + Duration::from_secs(3600));
///     sleep.reset(runtime::now() + Duration::from_millis(1));
///     sleep.await;
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    /// `None` for a time that the clock never reaches.
    when: Option<Instant>,
    timer: Option<Timer>,
}

/// A running timer, and the number of the loop or of the blocking flow that has it.
#[derive(Debug)]
enum Timer {
    Loop(u32, TimerKey),
    Flow(u64, TimerKey),
}

impl Sleep {
    /// Returns a sleep that ends at `when`, as [`sleep_until`] does.
    pub fn until(when: Instant) -> Sleep {
        sleep_until(when)
    }

    /// Sets a new end, also for a sleep that has ended. A flow that waits for the sleep must poll it again:
    /// the change itself wakes no flow.
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::time::Duration;
    /// use switchboard_runtime::{self as runtime, Model, race};
    ///
    /// // Each message puts the end off; without one for 2 ms, the flow ends.
    /// let messages = Model::Tasks.run(async {
    ///     let quiet = Duration::from_millis(2);
    ///     let (sender, receiver) = runtime::channel(1);
    ///     let talker = runtime::spawn(async move {
    ///         for number in 1..=3 {
    ///             sender.send(number).await.unwrap();
    ///         }
    ///         std::future::pending().await
    ///     });
    ///     let mut idle = pin!(runtime::sleep(quiet));
    ///     let mut messages = Vec::new();
    ///     loop {
    ///         let message = async { receiver.recv().await.ok() };
    ///         let ended = async {
    ///             idle.as_mut().await;
    ///             None
    ///         };
    ///         match race(message, ended).await {
    ///             Some(number) => messages.push(number),
    ///             None => break,
    ///         }
    ///         idle.reset(runtime::now() + quiet);
    ///     }
    ///     let _: runtime::JoinHandle<()> = talker;
    ///     messages
    /// })?;
    /// assert_eq!(messages, [1, 2, 3]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reset(&mut self, when: Instant) {
        self.set_deadline(Some(when));
    }

    /// Sets a new end as [`reset`](Sleep::reset) does; `None` for never.
    pub(super) fn set_deadline(&mut self, when: Option<Instant>) {
        self.cancel_timer();
        self.when = when;
    }

    /// Returns the time at which the sleep ends; `None` for one that the clock never reaches.
    pub fn deadline(&self) -> Option<Instant> {
        self.when
    }

    fn cancel_timer(&mut self) {
        match self.timer.take() {
            None => {}
            Some(Timer::Loop(id, timer)) => {
                let here = Loop::with_current(|lp| {
                    lp.filter(|lp| lp.id() == id)
                        .map(|lp| lp.cancel_wake(timer))
                        .is_some()
                });
                if !here && let Some(remote) = Remote::of(id) {
                    remote.call_soon(move || {
                        Loop::with_current(|lp| lp.map(|lp| lp.cancel_wake(timer)));
                    });
                }
            }
            // A timer of another blocking flow stays, and wakes that flow once without need.
            Some(Timer::Flow(id, timer)) => blocking::with(|flow| {
                if let Some(flow) = flow.filter(|flow| flow.id() == id) {
                    flow.cancel_timer(timer);
                }
            }),
        }
    }

    fn start_timer(&mut self, when: Instant, context: &Context<'_>) {
        let timer = blocking::with(|flow| {
            let flow = flow?;
            let timer = flow.start_timer(when, context.waker());
            Some(Timer::Flow(flow.id(), timer))
        });
        let timer = timer.or_else(|| {
            Loop::with_current(|lp| {
                let lp = lp?;
                Some(Timer::Loop(
                    lp.id(),
                    lp.wake_at(when, context.waker().clone()),
                ))
            })
        });
        self.timer = timer;
    }
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        assert!(Wait::current().is_some(), "{OUTSIDE_OF_A_FLOW}");
        let Some(when) = self.when else {
            return Poll::Pending;
        };
        if now() >= when {
            self.cancel_timer();
            return Poll::Ready(());
        }
        let kept = matches!(&self.timer, Some(Timer::Loop(id, timer)) if Loop::with_current(|lp| {
            lp.is_some_and(|lp| lp.id() == *id && lp.replace_waker(*timer, context.waker()))
        }));
        if !kept {
            self.cancel_timer();
            self.start_timer(when, context);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel_timer();
    }
}
