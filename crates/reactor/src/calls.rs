//! Callbacks that wait their turn, and the handles that cancel them.

use std::fmt;
use std::rc::Weak;

use slab::Slab;

use crate::event_loop::Inner;
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
pub(crate) enum Pending {
    Soon(CallKey),
    Timer(TimerKey),
}

/// A scheduled callback. Dropping the handle leaves the callback as it is.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inner: Weak<Inner>,
    pub(crate) pending: Pending,
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

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:?})", self.pending)
    }
}
