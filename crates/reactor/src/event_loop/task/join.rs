//! Handles of tasks, which deliver a task's outcome and cancel the task.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::id::TaskId;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// The outcome of a task.
///
/// ```
/// use std::future::poll_fn;
/// use switchboard_reactor::{Driver, Loop, Outcome};
///
/// let lp = Loop::new(Driver::best())?;
/// let mut task = lp.spawn(std::future::pending::<()>());
/// task.cancel();
/// let outcome = lp.block_on(poll_fn(|context| task.poll_outcome(context)))?;
/// assert!(matches!(outcome, Outcome::Cancelled));
/// # std::io::Result::Ok(())
/// ```
pub enum Outcome<T> {
    /// The task returned this value.
    Done(T),
    /// The task panicked with this payload.
    Panicked(Box<dyn Any + Send>),
    /// The task was cancelled, or its loop was dropped.
    Cancelled,
}

/// The state of a task, as its handle sees it.
enum State<T> {
    /// With the waker of the flow that awaits the handle.
    Running(Option<Waker>),
    Ended(Outcome<T>),
    /// The outcome was taken.
    Taken,
}

/// The state that a task and its handle share, each perhaps on another thread.
pub(super) struct Shared<T> {
    cancelled: AtomicBool,
    state: Mutex<State<T>>,
}

impl<T> Shared<T> {
    pub(super) fn new() -> Arc<Shared<T>> {
        Arc::new(Shared {
            cancelled: AtomicBool::new(false),
            state: Mutex::new(State::Running(None)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code of a user runs under this lock, so no panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the outcome, unless there is one, and wakes the flow that awaits the handle.
    fn end(&self, outcome: Outcome<T>) {
        let mut state = self.lock();
        let State::Running(waker) = &mut *state else {
            return;
        };
        let waker = waker.take();
        *state = State::Ended(outcome);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A handle of a task. Awaiting the handle returns the task's result and propagates its panic; dropping the
/// handle cancels the task.
///
/// ```
/// use switchboard_reactor::{Driver, Loop};
///
/// let lp = Loop::new(Driver::best())?;
/// let idle = lp.spawn(std::future::pending::<()>());
/// let answer = lp.spawn(async { 6 * 7 });
/// assert_eq!(lp.block_on(answer)?, 42);
/// assert!(!idle.is_finished());
/// # std::io::Result::Ok(())
/// ```
#[must_use = "dropping the handle cancels the task; `detach` lets the task continue"]
pub struct Task<T> {
    shared: Arc<Shared<T>>,
    id: TaskId,
    detached: bool,
}

impl<T> Task<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, id: TaskId) -> Task<T> {
        Task {
            shared,
            id,
            detached: false,
        }
    }

    /// Drops the handle without cancelling the task.
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// Cancels the task: its future is dropped on the loop's thread in a later turn, and the outcome is
    /// [`Outcome::Cancelled`]. A task that has ended, or ends meanwhile, keeps its outcome. Never blocks.
    pub fn cancel(&self) {
        if !self.is_finished() {
            self.shared.cancelled.store(true, Ordering::Release);
            self.id.wake();
        }
    }

    /// Returns whether the task has ended and its future was dropped.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.shared.lock(), State::Running(_))
    }

    /// Waits for the outcome of the task. A panic of the task is an outcome and is not propagated.
    ///
    /// # Panics
    /// When called again after it returned the outcome.
    pub fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<Outcome<T>> {
        let mut state = self.shared.lock();
        match &mut *state {
            State::Running(waker) => {
                let old = waker.replace(context.waker().clone());
                drop(state);
                // Dropped after the lock, because a waker is code of a user.
                drop(old);
                Poll::Pending
            }
            ended => match std::mem::replace(ended, State::Taken) {
                State::Ended(outcome) => Poll::Ready(outcome),
                _ => panic!("the outcome of this task was taken already"),
            },
        }
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match std::task::ready!(self.poll_outcome(context)) {
            Outcome::Done(value) => Poll::Ready(value),
            Outcome::Panicked(payload) => resume_unwind(payload),
            Outcome::Cancelled => panic!("the task was cancelled, or its loop is gone"),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.cancel();
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.is_finished() {
            true => "finished",
            false => "running",
        };
        write!(f, "Task({state})")
    }
}

pin_project! {
    /// A future whose outcome is stored for its handle.
    pub(super) struct Joined<F: Future> {
        shared: Arc<Shared<F::Output>>,
        #[pin]
        future: Option<F>,
    }

    impl<F: Future> PinnedDrop for Joined<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // If the task has ended, its outcome stays; otherwise its loop is being dropped.
            let _ = drop_future(this.future.as_mut());
            this.shared.end(Outcome::Cancelled);
        }
    }
}

impl<F: Future> Joined<F> {
    pub(super) fn new(shared: Arc<Shared<F::Output>>, future: F) -> Joined<F> {
        Joined {
            shared,
            future: Some(future),
        }
    }
}

/// Drops the future; returns the payload of a panic of its destructor.
fn drop_future<F>(mut future: Pin<&mut Option<F>>) -> Result<(), Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| future.set(None)))
}

impl<F: Future> Future for Joined<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let polled = match this.shared.cancelled.load(Ordering::Acquire) {
            true => Ok(None),
            false => catch_unwind(AssertUnwindSafe(|| {
                let future = this.future.as_mut().as_pin_mut();
                future.map(|future| future.poll(context))
            })),
        };
        let outcome = match polled {
            Ok(Some(Poll::Pending)) => return Poll::Pending,
            Ok(Some(Poll::Ready(value))) => Outcome::Done(value),
            Ok(None) => Outcome::Cancelled,
            Err(payload) => Outcome::Panicked(payload),
        };
        // The future is dropped before the outcome can be seen.
        let outcome = match drop_future(this.future.as_mut()) {
            Ok(()) => outcome,
            Err(payload) => Outcome::Panicked(payload),
        };
        this.shared.end(outcome);
        Poll::Ready(())
    }
}
