//! Notifications: wake-ups without a value.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use event_listener::{Event, EventListener, IntoNotification};

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
    listeners: Event,
}

#[derive(Debug, Default)]
struct State {
    /// The flows that wait, also those that were notified and did not run since.
    waiting: usize,
    /// Notifications of `notify_one` that no flow has taken: at most one for each flow that waits, and a
    /// stored one.
    notifications: usize,
    /// The number of calls of `notify_waiters`.
    rounds: u64,
}

impl State {
    /// Drops the notifications beyond one for each flow that waits and the stored one.
    fn limit(&mut self) {
        self.notifications = self.notifications.min(self.waiting + 1);
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

    /// Wakes one flow that waits, or the next one that does. Never blocks.
    pub fn notify_one(&self) {
        let mut state = self.lock();
        state.notifications += 1;
        state.limit();
        drop(state);
        self.listeners.notify(1.additional());
    }

    /// Wakes all flows whose [`Notified`] was made before this call. Never blocks.
    pub fn notify_waiters(&self) {
        let mut state = self.lock();
        state.rounds += 1;
        // A flow that was notified already goes on by that notification.
        state.notifications -= state.notifications.min(state.waiting);
        drop(state);
        self.listeners.notify(usize::MAX);
    }

    /// Returns a future that completes at a notification. Calls of
    /// [`notify_waiters`](Notify::notify_waiters) count from this call on.
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            round: self.lock().rounds,
            state: Waiting::Not,
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
    round: u64,
    state: Waiting,
}

#[derive(Debug)]
enum Waiting {
    /// Not polled yet.
    Not,
    /// Counted among those that wait; the listener is `None` after a wake-up.
    Counted(Option<EventListener>),
    Done,
}

impl Notified<'_> {
    /// Takes a notification, if there is one for this flow; counts the flow as waiting otherwise.
    fn take(&mut self) -> bool {
        if matches!(self.state, Waiting::Done) {
            return true;
        }
        let mut state = self.notify.lock();
        let round_over = state.rounds != self.round;
        let counted = matches!(self.state, Waiting::Counted(_));
        if !round_over && state.notifications == 0 {
            if !counted {
                state.waiting += 1;
                drop(state);
                self.state = Waiting::Counted(None);
            }
            return false;
        }
        state.waiting -= usize::from(counted);
        state.notifications -= usize::from(!round_over);
        state.limit();
        drop(state);
        self.state = Waiting::Done;
        true
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.take() {
                return Poll::Ready(());
            }
            let notify = self.notify;
            let Waiting::Counted(listener) = &mut self.state else {
                unreachable!("a flow that took nothing is counted")
            };
            match listener {
                // A notification before `listen` is found by the next `take`.
                None => *listener = Some(notify.listeners.listen()),
                Some(waiting) => match Pin::new(waiting).poll(context) {
                    Poll::Ready(()) => *listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if let Waiting::Counted(listener) = std::mem::replace(&mut self.state, Waiting::Done) {
            let mut state = self.notify.lock();
            state.waiting -= 1;
            state.limit();
            drop(state);
            // A listener that was notified passes the wake-up on.
            drop(listener);
        }
    }
}
