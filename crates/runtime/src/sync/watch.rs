//! A channel that shows the latest value to every receiver.
//!
//! ```
//! use switchboard_runtime::{self as runtime, Model, sync::watch};
//!
//! let level = Model::Tasks.run(async {
//!     let (level, mut seen) = watch::channel("info");
//!     let reader = runtime::spawn(async move {
//!         seen.changed().await.unwrap();
//!         *seen.borrow()
//!     });
//!     level.send("debug").unwrap();
//!     reader.await.unwrap()
//! })?;
//! assert_eq!(level, "debug");
//! # std::io::Result::Ok(())
//! ```

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use event_listener::Event;

/// Returns the two ends of a channel that shows `value` first.
///
/// ```
/// use switchboard_runtime::sync::watch;
///
/// let (sender, receiver) = watch::channel(1);
/// sender.send(2).unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        value: RwLock::new(value),
        version: AtomicU64::new(0),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        changed: Event::new(),
        closed: Event::new(),
    });
    let seen = 0;
    (Sender(shared.clone()), Receiver { shared, seen })
}

struct Shared<T> {
    value: RwLock<T>,
    /// The number of changes, written while the value is locked.
    version: AtomicU64,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Notified at each change, and when the last sender is dropped.
    changed: Event,
    /// Notified when the last receiver is dropped.
    closed: Event,
}

impl<T> Shared<T> {
    fn borrow(&self) -> Ref<'_, T> {
        Ref(self.value.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// Waits until the version is not `seen`, and sets `seen` to it.
    async fn changed_since(&self, seen: &mut u64) -> Result<(), RecvError> {
        loop {
            let listener = self.changed.listen();
            // Read before the version, because a sender may set a value and be dropped in between.
            let over = self.senders.load(Ordering::SeqCst) == 0;
            let version = self.version();
            if version != *seen {
                *seen = version;
                return Ok(());
            }
            if over {
                return Err(RecvError);
            }
            listener.await;
        }
    }
}

/// The end that sets the value. A clone sets the same value.
///
/// ```
/// use switchboard_runtime::sync::watch;
///
/// let (sender, receiver): (watch::Sender<Vec<u32>>, _) = watch::channel(Vec::new());
/// sender.modify(|numbers| numbers.push(7));
/// assert_eq!(*receiver.borrow(), [7]);
/// ```
pub struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Sets the value and wakes every receiver. Blocks the thread while another one has the value borrowed;
    /// deadlocks or panics on a thread that holds a [`Ref`] of the channel.
    ///
    /// # Errors
    /// The value, if every receiver was dropped; it is not set then.
    pub fn send(&self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        drop(self.replace(value));
        Ok(())
    }

    /// Sets the value as [`send`](Sender::send) does, also if there is no receiver, and returns the previous
    /// one.
    pub fn replace(&self, value: T) -> T {
        let mut previous = Some(value);
        self.modify(|current| {
            previous = previous.take().map(|new| std::mem::replace(current, new))
        });
        match previous {
            Some(previous) => previous,
            None => unreachable!("the closure above was called"),
        }
    }

    /// Changes the value by `change`, and wakes every receiver. A `change` that panics wakes them too.
    pub fn modify(&self, change: impl FnOnce(&mut T)) {
        struct Changed<'a, T>(&'a Shared<T>);
        impl<T> Drop for Changed<'_, T> {
            fn drop(&mut self) {
                self.0.changed.notify(usize::MAX);
            }
        }
        // Dropped last, when the value is unlocked.
        let _changed = Changed(&self.0);
        let mut value = self.0.value.write().unwrap_or_else(PoisonError::into_inner);
        self.0.version.fetch_add(1, Ordering::SeqCst);
        change(&mut value);
    }

    /// Returns the value. A change waits until the reference is dropped.
    ///
    /// May deadlock on a thread that holds a [`Ref`] of the channel already.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.0.borrow()
    }

    /// Returns a new receiver, which has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        self.0.receivers.fetch_add(1, Ordering::SeqCst);
        let (shared, seen) = (self.0.clone(), self.0.version());
        Receiver { shared, seen }
    }

    /// Returns whether every receiver was dropped.
    pub fn is_closed(&self) -> bool {
        self.0.receivers.load(Ordering::SeqCst) == 0
    }

    /// Waits until every receiver is dropped. Dropping the future ends the wait.
    pub async fn closed(&self) {
        while !self.is_closed() {
            let listener = self.0.closed.listen();
            if !self.is_closed() {
                listener.await;
            }
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.senders.fetch_add(1, Ordering::SeqCst);
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.changed.notify(usize::MAX);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watch::Sender")
    }
}

/// An end that sees the value. A clone has seen what this one has.
///
/// ```
/// use switchboard_runtime::{Model, sync::watch};
///
/// let (sender, mut receiver): (_, watch::Receiver<u32>) = watch::channel(0);
/// for number in 1..=3 {
///     sender.send(number).unwrap();
/// }
/// // Values in between are not kept.
/// assert_eq!(*Model::Tasks.run(receiver.wait_for(|number| *number > 0))?.unwrap(), 3);
/// assert!(!receiver.has_changed());
/// # std::io::Result::Ok(())
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version that this receiver has seen.
    seen: u64,
}

impl<T> Receiver<T> {
    /// Returns the value. A change waits until the reference is dropped.
    ///
    /// May deadlock on a thread that holds a [`Ref`] of the channel already.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow()
    }

    /// Returns the value as [`borrow`](Receiver::borrow) does, and marks it as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.borrow();
        self.seen = self.shared.version();
        value
    }

    /// Returns whether there is a value that this receiver has not seen.
    pub fn has_changed(&self) -> bool {
        self.shared.version() != self.seen
    }

    /// Waits until there is a value that this receiver has not seen, and marks it as seen. Dropping the
    /// future ends the wait, and marks nothing.
    ///
    /// # Errors
    /// [`RecvError`] once the last value was seen and every sender is dropped.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        self.shared.changed_since(&mut self.seen).await
    }

    /// Waits until `condition` holds for the value, also for the present one, and marks it as seen.
    ///
    /// # Errors
    /// [`RecvError`] once it does not hold and every sender is dropped.
    pub async fn wait_for(
        &mut self,
        mut condition: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let (shared, seen) = (&*self.shared, &mut self.seen);
        loop {
            {
                let value = shared.borrow();
                *seen = shared.version();
                if condition(&value) {
                    return Ok(value);
                }
            }
            shared.changed_since(seen).await?;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.shared.receivers.fetch_add(1, Ordering::SeqCst);
        let (shared, seen) = (self.shared.clone(), self.seen);
        Receiver { shared, seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.closed.notify(usize::MAX);
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watch::Receiver")
    }
}

/// A reference to the value of a channel. It stays on its thread, and must not be held while the flow
/// waits: a sender that sets the value meanwhile blocks its thread.
///
/// While a thread holds a reference, it must neither borrow the value again nor change it, and so must no
/// other flow of the thread. A change would wait for the reference for ever, and so may a second borrow, when
/// a sender on another thread waits between the two.
///
/// ```
/// use switchboard_runtime::sync::watch;
///
/// let (_sender, receiver) = watch::channel(String::from("hello"));
/// let value: watch::Ref<'_, String> = receiver.borrow();
/// assert_eq!(value.len(), 5);
/// ```
#[derive(Debug)]
pub struct Ref<'a, T>(RwLockReadGuard<'a, T>);

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The error of a [`Receiver`] whose senders were all dropped.
///
/// ```
/// use switchboard_runtime::{Model, sync::watch};
///
/// let (sender, mut receiver) = watch::channel(0);
/// drop(sender);
/// assert_eq!(Model::Tasks.run(receiver.changed())?, Err(watch::RecvError));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every sender was dropped")
    }
}

impl std::error::Error for RecvError {}
