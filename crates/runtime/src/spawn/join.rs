//! Join handles, which return a flow's result or the reason why it has none.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use switchboard_reactor::{Outcome, Task};

use crate::blocking::parker::Parker;
use crate::model::Refusal;
use crate::spawn::result_slot::ResultSlot;

/// The reason why a flow has no result.
///
/// As an [`io::Error`], `Refused` has the kind `Unsupported`, `Thread` is the system's error, and the
/// others have the kind `Other`.
///
/// ```
/// use switchboard_runtime::{self as runtime, JoinError, Model};
///
/// let result = Model::Threads.run(async { runtime::spawn(async { panic!("oh") }).await })?;
/// assert!(matches!(&result, Err(JoinError::Panicked(message)) if message == "oh"));
/// assert_eq!(result.unwrap_err().to_string(), "the flow panicked: oh");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub enum JoinError {
    /// The flow panicked with this message.
    Panicked(String),
    /// The flow was cancelled, or its loop ended.
    Cancelled,
    /// The model cannot start the flow.
    Refused(Refusal),
    /// No thread, or no stack of a green thread, could be had for the flow.
    Thread(io::Error),
}

impl JoinError {
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> JoinError {
        JoinError::Panicked(panic_message(&*payload).to_owned())
    }
}

/// Returns the message of a panic from the payload that [`catch_unwind`](std::panic::catch_unwind)
/// returns.
///
/// ```
/// # std::panic::set_hook(Box::new(|_| {}));
/// let payload = std::panic::catch_unwind(|| panic!("oh")).unwrap_err();
/// assert_eq!(switchboard_runtime::panic_message(&*payload), "oh");
/// ```
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("the payload is not a text")
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(message) => write!(f, "the flow panicked: {message}"),
            JoinError::Cancelled => f.write_str("the flow was cancelled"),
            JoinError::Refused(refusal) => refusal.fmt(f),
            JoinError::Thread(error) => write!(
                f,
                "no thread could be started for the flow: {error}; use fewer, or model `tasks`"
            ),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        match error {
            JoinError::Thread(error) => error,
            JoinError::Refused(refusal) => refusal.into(),
            error => io::Error::other(error),
        }
    }
}

/// A handle to a spawned flow: a future of its result.
///
/// Awaiting it waits for the flow's end and returns its result, or a [`JoinError`]. Dropping it leaves the
/// flow running.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model};
///
/// let sum = Model::Tasks.run(async {
///     let flow = runtime::spawn(async { 1 + 2 });
///     flow.await
/// })?;
/// assert_eq!(sum.unwrap(), 3);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "awaiting the handle returns the flow's error; call `detach` to ignore it"]
pub struct JoinHandle<T>(State<T>);

/// Where the flow of a handle runs.
enum State<T> {
    Task(Task<T>),
    Thread {
        result: Arc<ResultSlot<Result<T, JoinError>>>,
        /// `None` for a job that cannot be cancelled once it runs.
        parker: Option<Arc<Parker>>,
    },
    /// The result was returned.
    Joined,
}

impl<T: Send + 'static> JoinHandle<T> {
    /// Cancels the flow: its own thread drops its future at the flow's next wait. Awaiting the handle
    /// waits until then, and returns [`JoinError::Cancelled`]. Never blocks.
    ///
    /// A flow that has ended keeps its result. A job of [`run_blocking`](crate::run_blocking) is not
    /// cancelled.
    ///
    /// ```
    /// use std::future::pending;
    /// use switchboard_runtime::{self as runtime, JoinError, Model};
    ///
    /// let result = Model::Threads.run(async {
    ///     let mut flow = runtime::spawn(pending::<()>());
    ///     flow.cancel();
    ///     flow.await
    /// })?;
    /// assert!(matches!(result, Err(JoinError::Cancelled)));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn cancel(&mut self) {
        match &self.0 {
            State::Task(task) => task.cancel(),
            State::Thread { parker, .. } => parker.iter().for_each(|parker| parker.cancel()),
            State::Joined => {}
        }
    }
}

impl<T> JoinHandle<T> {
    pub(crate) fn task(task: Task<T>) -> JoinHandle<T> {
        JoinHandle(State::Task(task))
    }

    /// Returns a handle to a flow on another thread, which can be cancelled if it has a parker.
    pub(crate) fn thread(
        result: Arc<ResultSlot<Result<T, JoinError>>>,
        parker: Option<Arc<Parker>>,
    ) -> JoinHandle<T> {
        JoinHandle(State::Thread { result, parker })
    }

    /// Returns a handle to a flow that could not be started.
    pub(crate) fn failed(error: JoinError) -> JoinHandle<T> {
        let result = ResultSlot::new();
        result.finish(Err(error));
        JoinHandle::thread(result, None)
    }

    /// Drops the handle and leaves the flow running. The flow's result and its error are dropped.
    pub fn detach(self) {}

    /// Returns whether the flow has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            State::Task(task) => task.is_finished(),
            State::Thread { result, .. } => result.is_finished(),
            State::Joined => true,
        }
    }

    /// Blocks this thread until a flow on another thread has ended. Returns at once for a task.
    pub(crate) fn wait_on_thread(&self) {
        if let State::Thread { result, .. } = &self.0 {
            result.wait();
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.0 {
            State::Task(task) => match ready!(task.poll_outcome(context)) {
                Outcome::Done(value) => Ok(value),
                Outcome::Panicked(payload) => Err(JoinError::panicked(payload)),
                Outcome::Cancelled => Err(JoinError::Cancelled),
            },
            State::Thread { result, .. } => {
                ready!(result.poll_take(context)).unwrap_or(Err(JoinError::Cancelled))
            }
            State::Joined => Err(JoinError::Cancelled),
        };
        self.0 = State::Joined;
        Poll::Ready(result)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let State::Task(task) = std::mem::replace(&mut self.0, State::Joined) {
            task.detach();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_finished() {
            "finished"
        } else {
            "running"
        };
        write!(f, "JoinHandle({state})")
    }
}
