//! Notifications: wake-ups without a value.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A source of wake-ups for flows of any model.
///
/// [`notify_one`](Notify::notify_one) wakes one flow; if none waits, the next one to wait goes on at once.
/// At most one such notification is stored. [`notify_waiters`](Notify::notify_waiters) wakes all flows that
/// wait, and stores nothing.
///
/// ```
/// use std::collections::VecDeque;
/// use std::sync::{Arc, Mutex};
/// use switchboard_runtime::{self as runtime, Model, sync::Notify};
///
/// // A queue: the notification says that it is worth looking.
/// let queue = Arc::new((Mutex::new(VecDeque::new()), Notify::new()));
/// let own = queue.clone();
/// let first = Model::Threads.run(async move {
///     runtime::spawn(async move {
///         own.0.lock().unwrap().push_back(7);
///         own.1.notify_one();
///     })
///     .detach();
///     loop {
///         if let Some(number) = queue.0.lock().unwrap().pop_front() {
///             return number;
///         }
///         queue.1.notified().await;
///     }
/// })?;
/// assert_eq!(first, 7);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct Notify {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The flows that wait and were not notified, in the order in which they began to wait. A flow that
    /// `notify_waiters` notified is in neither set.
    waiting: BTreeMap<u64, Waker>,
    /// The flows that `notify_one` notified and that have not run since.
    notified: HashSet<u64>,
    /// The number of flows that have begun to wait.
    begun: u64,
    /// Whether a notification of `notify_one` is stored for the next flow that waits.
    stored: bool,
    /// The number of calls of `notify_waiters`.
    rounds: u64,
}

impl State {
    /// Returns the number of a flow that begins to wait; `None` if it was notified: by `notify_waiters`
    /// since its `round`, or by the stored notification, which is taken.
    fn begin(&mut self, round: u64) -> Option<u64> {
        if self.rounds != round || std::mem::take(&mut self.stored) {
            return None;
        }
        self.begun += 1;
        Some(self.begun)
    }

    /// Notifies the flow that has waited longest, and returns its waker; stores the notification if none
    /// waits.
    fn notify_one(&mut self) -> Option<Waker> {
        let Some((id, waker)) = self.waiting.pop_first() else {
            self.stored = true;
            return None;
        };
        self.notified.insert(id);
        Some(waker)
    }
}

impl Notify {
    /// Returns a source of wake-ups for which no flow waits.
    pub fn new() -> Notify {
        Notify::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the flow that has waited longest, or the next one that waits. Never blocks.
    pub fn notify_one(&self) {
        let waker = self.lock().notify_one();
        // A waker runs code that may use this `Notify`, so the state is unlocked.
        waker.into_iter().for_each(Waker::wake);
    }

    /// Wakes all flows whose [`Notified`] was made before this call. Never blocks.
    pub fn notify_waiters(&self) {
        let mut state = self.lock();
        state.rounds += 1;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Returns a future that completes at a notification. Calls of
    /// [`notify_waiters`](Notify::notify_waiters) count from this call on.
    pub fn notified(&self) -> Notified<'_> {
        let round = self.lock().rounds;
        Notified {
            notify: self,
            wait: Wait::New { round },
        }
    }
}

/// The future of [`Notify::notified`]. Dropped, it leaves a notification of [`Notify::notify_one`] to another
/// flow.
///
/// ```
/// use switchboard_runtime::{Model, sync::{Notified, Notify}};
///
/// let notify = Notify::new();
/// // Made before the check, so that a notification between the check and the wait is not missed.
/// let notified: Notified<'_> = notify.notified();
/// notify.notify_waiters();
/// Model::Tasks.run(notified)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    wait: Wait,
}

#[derive(Debug)]
enum Wait {
    /// Not polled yet; made after this many calls of `notify_waiters`.
    New {
        round: u64,
    },
    /// Waiting, or notified since.
    Begun {
        id: u64,
    },
    Done,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Cloned before and dropped after the state is locked, because both may run code that uses it.
        let waker = context.waker().clone();
        let notify = self.notify;
        let mut state = notify.lock();
        let waits = match self.wait {
            Wait::New { round } => state.begin(round),
            Wait::Begun { id } => {
                state.notified.remove(&id);
                state.waiting.contains_key(&id).then_some(id)
            }
            Wait::Done => None,
        };
        let Some(id) = waits else {
            drop(state);
            self.wait = Wait::Done;
            return Poll::Ready(());
        };
        let before = state.waiting.insert(id, waker);
        drop(state);
        drop(before);
        self.wait = Wait::Begun { id };
        Poll::Pending
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Wait::Begun { id } = self.wait else {
            return;
        };
        let mut state = self.notify.lock();
        let waiting = state.waiting.remove(&id);
        let next = match state.notified.remove(&id) {
            true => state.notify_one(),
            false => None,
        };
        drop(state);
        drop(waiting);
        next.into_iter().for_each(Waker::wake);
    }
}
