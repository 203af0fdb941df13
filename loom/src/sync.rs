//! What the files take from the standard library and the kernel elsewhere.

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use loom::thread;

/// An eventfd: rung once, it stays readable until it is drained.
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

    /// What a wait in poll(2) or epoll(7) is.
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
