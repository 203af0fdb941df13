//! The slot in which a flow on another thread leaves its result.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The result of a flow on another thread: set by that thread, taken by the join handle.
pub(crate) struct ResultSlot<T> {
    state: Mutex<SlotState<T>>,
    finished: Condvar,
}

enum SlotState<T> {
    /// The flow runs; the waker is that of the flow that awaits the handle.
    Running(Option<Waker>),
    Finished(T),
    Taken,
}

impl<T> ResultSlot<T> {
    pub(crate) fn new() -> Arc<ResultSlot<T>> {
        Arc::new(ResultSlot {
            state: Mutex::new(SlotState::Running(None)),
            finished: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, SlotState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the result and wakes the flow and the threads that wait for it.
    pub(crate) fn finish(&self, result: T) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut *state, SlotState::Finished(result));
        drop(state);
        self.finished.notify_all();
        if let SlotState::Running(Some(waker)) = before {
            waker.wake();
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        !matches!(*self.lock(), SlotState::Running(_))
    }

    /// Takes the result once it is set; returns `None` if it was taken before.
    pub(crate) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.lock();
        if let SlotState::Running(waker) = &mut *state {
            let old = waker.replace(context.waker().clone());
            // The drop of a waker may run code that uses this slot.
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        Poll::Ready(match std::mem::replace(&mut *state, SlotState::Taken) {
            SlotState::Finished(result) => Some(result),
            SlotState::Running(_) | SlotState::Taken => None,
        })
    }

    /// Blocks this thread until the result is set.
    pub(crate) fn wait(&self) {
        let mut state = self.lock();
        while matches!(*state, SlotState::Running(_)) {
            state = self
                .finished
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
