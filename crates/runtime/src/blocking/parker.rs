//! Waking a blocking flow.

//!
//! ```text
//!   flow:   read the count, poll, set parked, count as before?  wait for the bell
//!   waker:  count, parked?  ring the bell
//! ```
//!
//! Each writes its own before it looks at the other's. (Checked by model, in `loom/`.)

use std::sync::{Arc, OnceLock};
use std::task::Wake;

use crate::sync::{AtomicBool, AtomicU32, NotifyFd, Ordering, fence};

/// What wakes a blocking flow.
pub(crate) struct Parker {
    /// How often the flow was notified.
    count: AtomicU32,
    /// The count when it was last polled; the flow's own.
    seen: AtomicU32,
    /// Whether the flow is in poll(2), where only its bell wakes it.
    parked: AtomicBool,
    cancelled: AtomicBool,
    bell: OnceLock<NotifyFd>,
}

impl Parker {
    pub(crate) fn new() -> Arc<Parker> {
        Arc::new(Parker {
            count: AtomicU32::new(0),
            seen: AtomicU32::new(0),
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
        let count = self.count.load(Ordering::Acquire);
        self.seen.store(count, Ordering::Relaxed);
    }

    pub(crate) fn was_notified(&self) -> bool {
        self.count.load(Ordering::Acquire) != self.seen.load(Ordering::Relaxed)
    }

    /// Calls `wait`, which the bell ends, unless the flow was notified since it was polled.
    pub(crate) fn park(&self, wait: impl FnOnce(Option<&NotifyFd>)) {
        let bell = self.bell();
        self.parked.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if !self.was_notified() {
            wait(bell);
        }
        self.parked.store(false, Ordering::Release);
    }

    pub(crate) fn notify(&self) {
        self.count.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Acquire)
            && let Some(bell) = self.bell.get()
        {
            bell.notify();
        }
    }

    fn bell(&self) -> Option<&NotifyFd> {
        if self.bell.get().is_none()
            && let Ok(bell) = NotifyFd::new()
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
