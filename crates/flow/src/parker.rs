//! Waking a blocking flow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Wake;

use switchboard_driver::Bell;

/// What wakes a blocking flow.
pub(crate) struct Parker {
    pub(crate) notified: AtomicBool,
    /// Whether the flow is in poll(2), where only its bell wakes it.
    pub(crate) parked: AtomicBool,
    pub(crate) cancelled: AtomicBool,
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
        self.cancelled.store(true, Ordering::SeqCst);
        self.notify();
    }

    fn notify(&self) {
        self.notified.store(true, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst)
            && let Some(bell) = self.bell.get()
        {
            bell.ring();
        }
    }

    pub(crate) fn bell(&self) -> Option<&Bell> {
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
