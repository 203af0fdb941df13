//! An inbox that other threads fill, and the flag that spares them system calls.
//!
//! ```text
//!   sender:  add, flag set?  no: set it, ring     loop:  wait for the ring, clear the flag, empty
//!                            yes: nothing to do
//! ```
//!
//! Between a ring and the clearing, further senders need no system call. Cleared before it is emptied:
//! who finds the flag set has added before that. (Checked by model, in `loom/`.)

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

pub(crate) struct Inbox<T> {
    /// `None` once it is closed.
    items: Mutex<Option<Vec<T>>>,
    notified: AtomicBool,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Inbox<T> {
        Inbox {
            items: Mutex::new(Some(Vec::new())),
            notified: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<T>>> {
        // Nothing is left half-done under this lock.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item and notifies; gives it back if the inbox is closed.
    pub(crate) fn send(&self, item: T, ring: impl FnOnce()) -> Option<T> {
        let mut item = Some(item);
        if let Some(items) = &mut *self.lock() {
            items.extend(item.take());
        }
        if item.is_none() {
            self.notify(ring);
        }
        item
    }

    /// Adds an item and notifies; leaves the item out if the last one is the `same`, or if the inbox is
    /// closed.
    pub(crate) fn send_unless(&self, same: impl FnOnce(&T) -> bool, item: T, ring: impl FnOnce()) {
        match &mut *self.lock() {
            Some(items) if items.last().is_some_and(same) => {}
            Some(items) => items.push(item),
            None => return,
        }
        self.notify(ring);
    }

    /// Rings, unless somebody has and was not heard yet.
    pub(crate) fn notify(&self, ring: impl FnOnce()) {
        if !self.notified.swap(true, Ordering::SeqCst) {
            ring();
        }
    }

    pub(crate) fn was_notified(&self) -> bool {
        self.notified.load(Ordering::SeqCst)
    }

    /// Empties it into `into`.
    pub(crate) fn drain(&self, into: &mut Vec<T>) {
        self.notified.store(false, Ordering::SeqCst);
        if let Some(items) = &mut *self.lock() {
            into.append(items);
        }
    }

    /// What is in it; if that is nothing, closes it.
    pub(crate) fn drain_or_close(&self) -> Option<Vec<T>> {
        let mut items = self.lock();
        let taken = items.take().filter(|taken| !taken.is_empty());
        if taken.is_some() {
            *items = Some(Vec::new());
        }
        taken
    }
}
