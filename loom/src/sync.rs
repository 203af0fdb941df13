//! loom's versions of the types that the checked files take from the standard library and the kernel.

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use loom::thread;

/// A model of an eventfd: after a ring it stays readable until it is drained.
pub(crate) struct NotifyFd {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl NotifyFd {
    pub(crate) fn new() -> std::io::Result<NotifyFd> {
        Ok(NotifyFd {
            rung: Mutex::new(false),
            ring: Condvar::new(),
        })
    }

    pub(crate) fn notify(&self) {
        *self.rung.lock().unwrap() = true;
        self.ring.notify_all();
    }

    /// Blocks until the eventfd is readable, as poll(2) and epoll(7) do.
    pub(crate) fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.ring.wait(rung).unwrap();
        }
    }

    pub(crate) fn drain(&self) {
        *self.rung.lock().unwrap() = false;
    }
}
