//! The wake-up of a blocking flow by other threads.
//!
//! ```text
//!   the flow:         read the count, poll, set `parked`; if the count is the same, wait for the notifier
//!   another thread:   add 1 to the count; if `parked` is set, notify
//! ```
//!
//! Each side writes its own variable before it reads the other's, with a fence between, so no wake-up is
//! lost. The model checks in `loom/` cover every order of these steps.

use std::sync::{Arc, OnceLock};
use std::task::Wake;

use crate::sync::{AtomicBool, AtomicU32, NotifyFd, Ordering, fence};

/// The part of a blocking flow that other threads share, in order to wake or cancel the flow.
pub(crate) struct Parker {
    /// The number of notifications so far.
    count: AtomicU32,
    /// The count when the flow was last polled; used by the flow only.
    seen: AtomicU32,
    /// Whether the flow is in poll(2), which only its notifier ends.
    parked: AtomicBool,
    cancelled: AtomicBool,
    /// Created at the first wait that needs it.
    notifier: OnceLock<NotifyFd>,
}

impl Parker {
    pub(crate) fn new() -> Arc<Parker> {
        Arc::new(Parker {
            count: AtomicU32::new(0),
            seen: AtomicU32::new(0),
            parked: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            notifier: OnceLock::new(),
        })
    }

    /// Cancels the flow, which drops its future at its next wait.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.notify();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Clears earlier notifications. The flow calls this before it polls its future.
    pub(crate) fn clear(&self) {
        let count = self.count.load(Ordering::Acquire);
        self.seen.store(count, Ordering::Relaxed);
    }

    /// Returns whether the flow was notified since the last [`clear`](Parker::clear).
    pub(crate) fn was_notified(&self) -> bool {
        self.count.load(Ordering::Acquire) != self.seen.load(Ordering::Relaxed)
    }

    /// Calls `wait`, which the notifier must end, unless the flow was notified since it was last polled.
    /// The notifier is `None` if the process has no descriptor left for one.
    pub(crate) fn park(&self, wait: impl FnOnce(Option<&NotifyFd>)) {
        let notifier = self.notifier();
        self.parked.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if !self.was_notified() {
            wait(notifier);
        }
        self.parked.store(false, Ordering::Release);
    }

    /// Wakes the flow.
    pub(crate) fn notify(&self) {
        self.count.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Acquire)
            && let Some(notifier) = self.notifier.get()
        {
            notifier.notify();
        }
    }

    fn notifier(&self) -> Option<&NotifyFd> {
        if self.notifier.get().is_none()
            && let Ok(notifier) = NotifyFd::new()
        {
            let _ = self.notifier.set(notifier);
        }
        self.notifier.get()
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
