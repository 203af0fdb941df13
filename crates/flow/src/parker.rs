//! Waking a blocking flow.

//!
//! ```text
//!   flow:   clear notified, poll, set parked, notified?  no: wait for the bell
//!   waker:  set notified, parked?  yes: ring the bell
//! ```
//!
//! Each sets its own flag before it looks at the other's. (Checked by model, in `models/`.)

use std::sync::{Arc, OnceLock};
use std::task::Wake;

use crate::sync::{AtomicBool, Bell, Ordering, fence};

/// What wakes a blocking flow.
pub(crate) struct Parker {
    notified: AtomicBool,
    /// Whether the flow is in poll(2), where only its bell wakes it.
    parked: AtomicBool,
    cancelled: AtomicBool,
    bell: OnceLock<Bell>,
}

impl Parker {
    pub(crate) fn new() -> Arc<Parker> {
        Arc::new(Parker {
            notified: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            bell: OnceLock::new(),
        })
    }

    /// Makes the flow drop its future at its next wait.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.notify();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// The flow is about to be polled.
    pub(crate) fn clear(&self) {
        // Swapped, so that the poll sees what a waker that came before had done.
        self.notified.swap(false, Ordering::AcqRel);
    }

    pub(crate) fn was_notified(&self) -> bool {
        self.notified.load(Ordering::Acquire)
    }

    /// Calls `wait`, which the bell ends, unless the flow was notified since it was polled.
    pub(crate) fn park(&self, wait: impl FnOnce(Option<&Bell>)) {
        let bell = self.bell();
        self.parked.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if !self.was_notified() {
            wait(bell);
        }
        self.parked.store(false, Ordering::Release);
    }

    pub(crate) fn notify(&self) {
        self.notified.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Acquire)
            && let Some(bell) = self.bell.get()
        {
            bell.ring();
        }
    }

    fn bell(&self) -> Option<&Bell> {
        if self.bell.get().is_none()
            && let Ok(bell) = Bell::new()
        {
            let _ = self.bell.set(bell);
        }
        self.bell.get()
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}
