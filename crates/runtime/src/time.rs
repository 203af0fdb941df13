//! Time: sleeps and time limits.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{Loop, Remote, TimerKey};

use crate::blocking;

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

/// Returns a future that completes when at least `delay` has passed since this call.
///
/// Dropping the future ends the wait.
///
/// # Panics
/// The future panics when it is polled outside of any flow.
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

/// A future that completes at a point in time; see [`sleep`]. Dropping it ends the wait.
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
    /// Returns a sleep that ends at `when`, in the time of [`now`].
    pub fn until(when: Instant) -> Sleep {
        Sleep {
            when: Some(when),
            timer: None,
        }
    }

    /// Sets a new end, also for a sleep that has ended.
    pub fn reset(&mut self, when: Instant) {
        self.cancel_timer();
        self.when = Some(when);
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
        assert!(
            timer.is_some(),
            "no flow sleeps here: run this future under a model, for example with Model::run"
        );
        self.timer = timer;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
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

/// Waits for `future`, but no longer than `limit`; then drops it.
///
/// A future that is ready when it is polled wins, even if the limit has passed meanwhile.
///
/// # Errors
/// [`Elapsed`] if the limit passed first.
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
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = pin!(sleep(limit));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(context).map(|()| Err(Elapsed(limit)))
    })
    .await
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
