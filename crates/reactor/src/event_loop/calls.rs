//! Scheduled callbacks, and the handles that cancel them.

use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::event_loop::{Inner, Item, Loop, TimerEvent};
use crate::hooks::Name;
use crate::timers::TimerKey;

/// A callback that runs once.
pub(crate) type Call = Box<dyn FnOnce()>;

/// The key of a queued callback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallKey {
    index: u32,
    generation: u32,
}

/// The table of callbacks that `call_soon` queued. The ready queue holds keys only, so that a cancelled
/// callback is dropped at once.
#[derive(Default)]
pub(crate) struct Calls {
    slab: Slab<(u32, Call, Name)>,
    generation: u32,
}

impl Calls {
    pub(crate) fn add(&mut self, call: Call, name: Name) -> CallKey {
        self.generation = self.generation.wrapping_add(1);
        let index = self.slab.insert((self.generation, call, name)) as u32;
        CallKey {
            index,
            generation: self.generation,
        }
    }

    pub(crate) fn take(&mut self, key: CallKey) -> Option<(Call, Name)> {
        let (generation, ..) = self.slab.get(key.index as usize)?;
        if *generation != key.generation {
            return None;
        }
        let (_, call, name) = self.slab.remove(key.index as usize);
        Some((call, name))
    }
}

/// The key of a callback, by its kind.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Soon(CallKey),
    Timer(TimerKey),
}

/// A handle that can cancel a scheduled callback. Dropping the handle does not cancel the callback.
///
/// ```
/// use std::time::Duration;
/// use switchboard_reactor::{Driver, Loop};
///
/// let lp = Loop::new(Driver::best())?;
/// let timeout = lp.call_later(Duration::from_secs(5), || panic!("five seconds have passed"));
/// lp.call_soon(move || assert!(timeout.cancel()));
/// lp.run_until_empty()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Handle {
    inner: Weak<Inner>,
    pending: Pending,
}

impl Handle {
    /// Cancels the callback and drops it at once. Returns whether it was still to run.
    ///
    /// ```
    /// use switchboard_reactor::{Driver, Loop};
    ///
    /// let lp = Loop::new(Driver::best())?;
    /// let handle = lp.call_soon(|| unreachable!());
    /// assert!(handle.cancel());
    /// lp.run_until_empty()?;
    /// assert!(!handle.cancel());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn cancel(&self) -> bool {
        let Some(inner) = self.inner.upgrade() else {
            return false;
        };
        // The callback is dropped after the borrow ends, because its destructor may use the loop.
        match self.pending {
            Pending::Soon(key) => {
                let call = inner.calls.borrow_mut().take(key);
                call.is_some()
            }
            Pending::Timer(key) => {
                let timer = inner.timers.borrow_mut().cancel(key);
                timer.is_some()
            }
        }
    }
}

impl Loop {
    /// Runs `f` in the next turn, after the callbacks and tasks that were queued before.
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + 'static) -> Handle {
        let key = self
            .0
            .calls
            .borrow_mut()
            .add(Box::new(f), Location::caller());
        self.push(Item::Call(key));
        self.handle(Pending::Soon(key))
    }

    /// Runs `f` once `delay` has passed, never earlier.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> Handle {
        self.call_at(deadline(self.time(), delay), f)
    }

    /// Runs `f` at `when` by the loop's [time](Loop::now), or in the next turn if `when` has passed.
    #[track_caller]
    pub fn call_at(&self, when: Instant, f: impl FnOnce() + 'static) -> Handle {
        // A deadline in the past would sort before the deadlines of other expired timers, and a callback
        // that schedules itself again in the past would starve them.
        let when = when.max(self.now());
        let event = TimerEvent::Call(Box::new(f), Location::caller());
        self.handle(Pending::Timer(self.0.timers.borrow_mut().arm(when, event)))
    }

    fn handle(&self, pending: Pending) -> Handle {
        Handle {
            inner: Rc::downgrade(&self.0),
            pending,
        }
    }
}

/// Returns `now + delay`, or a time a century away if that would overflow.
fn deadline(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(delay).unwrap_or(now + CENTURY)
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:?})", self.pending)
    }
}
