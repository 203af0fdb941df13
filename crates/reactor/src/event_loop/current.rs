//! The loop that runs on this thread, kept as a pointer because every operation looks it up.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr;
use std::rc::Rc;

use crate::event_loop::{Inner, Loop};

thread_local! {
    /// The loop of the [`Current`] of this thread, or null.
    static CURRENT: Cell<*const Inner> = const { Cell::new(ptr::null()) };
}

/// A guard that makes its loop the one that runs on this thread, until the guard is dropped.
pub(crate) struct Current(Loop);

impl Current {
    /// Makes `lp` the loop that runs on this thread.
    ///
    /// # Panics
    /// On a thread where a loop runs already.
    pub(crate) fn enter(lp: Loop) -> Current {
        assert!(
            CURRENT.get().is_null(),
            "a loop runs on this thread already"
        );
        CURRENT.set(Rc::as_ptr(&lp.0));
        Current(lp)
    }

    /// Ends the run and returns its loop.
    pub(crate) fn leave(self) -> Loop {
        let lp = self.0.clone();
        drop(self);
        lp
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
    }
}

/// Calls `f` with the loop that runs on this thread, or `None`.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Loop>) -> R) -> R {
    let current = CURRENT.get();
    if current.is_null() {
        return f(None);
    }
    // SAFETY: the pointer comes from the `Rc` in this thread's `Current`, which keeps the loop alive and
    // stays on this thread because it is not `Send`. `f` cannot drop the `Current`, because a caller
    // further up the stack owns it. The reference count stays correct, because this `Rc` is never dropped.
    let lp = unsafe { ManuallyDrop::new(Loop(Rc::from_raw(current))) };
    f(Some(&lp))
}
