//! An inbox that other threads fill, with a flag that saves system calls.
//!
//! ```text
//!   sender:  add the item                      loop:  wait for a notification
//!            set the flag                             clear the flag
//!            notify, unless the flag was set          take the items
//! ```
//!
//! From a notification until the loop clears the flag, further senders make no system call. No item is
//! lost, because a sender adds its item before it sets the flag, and the loop clears the flag before it
//! takes the items: a sender that finds the flag set has added its item before the loop takes the items.
//! The model checks in `loom/` verify this.

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

pub(crate) struct Inbox<T> {
    /// `None` once the inbox is closed.
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
        // Every critical section leaves the list in a valid state, even if it panics.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item and notifies; returns the item if the inbox is closed.
    pub(crate) fn send(&self, item: T, notify: impl FnOnce()) -> Option<T> {
        let mut item = Some(item);
        if let Some(items) = &mut *self.lock() {
            items.extend(item.take());
        }
        if item.is_none() {
            self.notify(notify);
        }
        item
    }

    /// Adds an item and notifies. The item is not added if the last one in the inbox is the `same`; a closed
    /// inbox drops the item.
    pub(crate) fn send_unless(
        &self,
        same: impl FnOnce(&T) -> bool,
        item: T,
        notify: impl FnOnce(),
    ) {
        match &mut *self.lock() {
            Some(items) if items.last().is_some_and(same) => {}
            Some(items) => items.push(item),
            None => return,
        }
        self.notify(notify);
    }

    /// Notifies the loop, unless a notification is pending.
    pub(crate) fn notify(&self, notify: impl FnOnce()) {
        if !self.notified.swap(true, Ordering::SeqCst) {
            notify();
        }
    }

    pub(crate) fn was_notified(&self) -> bool {
        self.notified.load(Ordering::SeqCst)
    }

    /// Clears the flag, then moves all items into `into`.
    pub(crate) fn drain(&self, into: &mut Vec<T>) {
        self.notified.store(false, Ordering::SeqCst);
        if let Some(items) = &mut *self.lock() {
            into.append(items);
        }
    }

    /// Takes all items; closes the inbox and returns `None` if it is empty.
    pub(crate) fn drain_or_close(&self) -> Option<Vec<T>> {
        let mut items = self.lock();
        let taken = items.take().filter(|taken| !taken.is_empty());
        if taken.is_some() {
            *items = Some(Vec::new());
        }
        taken
    }
}
