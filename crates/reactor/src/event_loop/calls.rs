//! Callbacks that wait their turn, and the handles that cancel them.

use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::event_loop::{Inner, Item, Loop, TimerEvent};
use crate::hooks::Name;
use crate::timers::TimerKey;

pub(crate) type Call = Box<dyn FnOnce()>;

/// Names a queued callback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallKey {
    index: u32,
    generation: u32,
}

/// Callbacks queued by `call_soon`. The queue holds keys only, so that a cancelled callback frees
/// what it owns at once.
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

/// What can be cancelled.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Soon(CallKey),
    Timer(TimerKey),
}

/// A scheduled callback. Dropping the handle leaves the callback as it is.
#[derive(Clone)]
pub struct Handle {
    inner: Weak<Inner>,
    pending: Pending,
}

impl Handle {
    /// Cancels the callback and drops what it owns, now. Says whether it was still to run.
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
        // Bound, so that what the callback owns is dropped after the loop's tables are let go of.
        match self.pending {
            Pending::Soon(key) => {
                let call = inner.calls.borrow_mut().take(key);
                call.is_some()
            }
            Pending::Timer(key) => {
                let due = inner.timers.borrow_mut().cancel(key);
                due.is_some()
            }
        }
    }
}

impl Loop {
    /// Runs `f` in the next turn, after what was scheduled before it.
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

    /// Runs `f` once `delay` has passed; never earlier.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> Handle {
        self.call_at(deadline(self.time(), delay), f)
    }

    /// Runs `f` at `when` by the loop's [time](Loop::now); at once if that has passed.
    #[track_caller]
    pub fn call_at(&self, when: Instant, f: impl FnOnce() + 'static) -> Handle {
        // Not before now: one that arms itself again in the past would keep the others behind it.
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

/// `now + delay`, or the far future where that would overflow.
fn deadline(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(delay).unwrap_or(now + CENTURY)
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:?})", self.pending)
    }
}
