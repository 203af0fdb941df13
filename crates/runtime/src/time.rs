//! Time: sleeping and giving up.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{Loop, Remote, TimerKey};

use crate::blocking;

/// The time as this flow counts it: its loop's, which is virtual under the `sim` driver, or the
/// system's monotonic clock.
pub fn now() -> Instant {
    Loop::with_current(|lp| lp.map_or_else(Instant::now, Loop::now))
}

/// Waits until `delay` has passed since this call; never less.
///
/// Dropping it ends the wait. Outside of any flow there is nobody to wait and polling it panics.
pub fn sleep(delay: Duration) -> Sleep {
    let now = Loop::with_current(|lp| lp.map_or_else(Instant::now, Loop::time));
    Sleep {
        when: now.checked_add(delay),
        armed: None,
    }
}

/// The future of [`sleep`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    /// `None` for a time that never comes.
    when: Option<Instant>,
    armed: Option<Armed>,
}

#[derive(Debug)]
enum Armed {
    Loop(u32, TimerKey),
    Flow(u64, TimerKey),
}

impl Sleep {
    /// A sleep that ends at `when`.
    pub fn until(when: Instant) -> Sleep {
        Sleep {
            when: Some(when),
            armed: None,
        }
    }

    /// Moves the end, also of a sleep that has ended.
    pub fn reset(&mut self, when: Instant) {
        self.disarm();
        self.when = Some(when);
    }

    fn disarm(&mut self) {
        match self.armed.take() {
            None => {}
            Some(Armed::Loop(id, timer)) => {
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
            // Left behind in another flow, it wakes that flow once for nothing.
            Some(Armed::Flow(id, timer)) => blocking::with(|flow| {
                if let Some(flow) = flow.filter(|flow| flow.id() == id) {
                    flow.cancel_timer(timer);
                }
            }),
        }
    }

    fn arm(&mut self, when: Instant, context: &Context<'_>) {
        let armed = blocking::with(|flow| {
            let flow = flow?;
            let timer = flow.start_timer(when, context.waker());
            Some(Armed::Flow(flow.id(), timer))
        });
        let armed = armed.or_else(|| {
            Loop::with_current(|lp| {
                let lp = lp?;
                Some(Armed::Loop(
                    lp.id(),
                    lp.wake_at(when, context.waker().clone()),
                ))
            })
        });
        assert!(
            armed.is_some(),
            "nothing to sleep in: run this under a model, as with Model::run"
        );
        self.armed = armed;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(when) = self.when else {
            return Poll::Pending;
        };
        if now() >= when {
            self.disarm();
            return Poll::Ready(());
        }
        let same = matches!(&self.armed, Some(Armed::Loop(id, timer)) if Loop::with_current(|lp| {
            lp.is_some_and(|lp| lp.id() == *id && lp.replace_waker(*timer, context.waker()))
        }));
        if !same {
            self.disarm();
            self.arm(when, context);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// A [`timeout`] ran out.
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

/// Waits for `future`, but no longer than `limit`; then the future is dropped.
///
/// A future that is done in time wins, even if the time has run out meanwhile.
///
/// # Errors
/// [`Elapsed`] if time ran out.
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

/// Lets every other flow that is ready go first.
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
