//! The loop that runs on this thread: a pointer, since every operation looks it up.
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

/// While it lives, its loop is the one that runs on this thread.
pub(crate) struct Current(Loop);

impl Current {
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

/// Calls `f` with the loop that runs on this thread.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Loop>) -> R) -> R {
    let current = CURRENT.get();
    if current.is_null() {
        return f(None);
    }
    // SAFETY: the pointer is from the `Rc` of this thread's `Current`, which keeps the loop alive and is
    // not `Send`. `f` cannot drop that: its run is further up the stack. The count stays as it is, since
    // this copy is never dropped.
    let lp = unsafe { ManuallyDrop::new(Loop(Rc::from_raw(current))) };
    f(Some(&lp))
}
