//! loom's versions of the types that the checked files take from the standard library and the kernel.

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

/// A model of an eventfd, which is readable from a notification until it is drained.
pub(crate) struct NotifyFd {
    notified: Mutex<bool>,
    changed: Condvar,
}

impl NotifyFd {
    pub(crate) fn new() -> std::io::Result<NotifyFd> {
        Ok(NotifyFd {
            notified: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    pub(crate) fn notify(&self) {
        *self.notified.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Blocks until the eventfd is readable, as poll(2) and epoll(7) do.
    pub(crate) fn wait(&self) {
        let mut notified = self.notified.lock().unwrap();
        while !*notified {
            notified = self.changed.wait(notified).unwrap();
        }
    }

    pub(crate) fn drain(&self) {
        *self.notified.lock().unwrap() = false;
    }
}
