//! Join handles: what a spawned flow left behind, or why it didn't.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use switchboard_reactor::{Outcome, Task};

use crate::blocking::parker::Parker;
use crate::model::Refusal;

/// Why a flow gave no result.
#[derive(Debug)]
pub enum JoinError {
    /// It panicked, with this message.
    Panicked(String),
    /// It was cancelled, or the loop it ran on is gone.
    Cancelled,
    /// The model cannot start it.
    Refused(Refusal),
    /// The system could not start a thread for it.
    Thread(io::Error),
}

impl JoinError {
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> JoinError {
        JoinError::Panicked(panic_message(&*payload).to_owned())
    }
}

/// What a panic said, given what `catch_unwind` caught.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a value that is no text")
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

/// Where a flow on another thread leaves its result.
pub(crate) struct Packet<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

struct State<T> {
    result: Option<Result<T, JoinError>>,
    finished: bool,
    waker: Option<Waker>,
}

impl<T> Packet<T> {
    pub(crate) fn new() -> Arc<Packet<T>> {
        Arc::new(Packet {
            state: Mutex::new(State {
                result: None,
                finished: false,
                waker: None,
            }),
            done: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn finish(&self, result: Result<T, JoinError>) {
        let mut state = self.lock();
        state.result = Some(result);
        state.finished = true;
        let waker = state.waker.take();
        drop(state);
        self.done.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wait(&self) {
        let mut state = self.lock();
        while !state.finished {
            state = self
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub(crate) enum Kind<T> {
    Task(Task<T>),
    Thread {
        packet: Arc<Packet<T>>,
        /// `None` for work that cannot be cancelled once it runs.
        parker: Option<Arc<Parker>>,
    },
    Over,
}

/// A spawned flow. Awaiting it gives its result, or its panic as an error; dropping it leaves the
/// flow running.
#[must_use = "a flow's error is seen by whoever awaits its handle; `detach` says that nobody will"]
pub struct JoinHandle<T>(pub(crate) Kind<T>);

impl<T: Send + 'static> JoinHandle<T> {
    /// Cancels the flow: its future is dropped at its next wait, by its own thread, and awaiting the
    /// handle waits for that. A flow that has ended keeps its result; work handed to
    /// [`run_blocking`](crate::run_blocking) runs on.
    pub fn cancel(&mut self) {
        match &self.0 {
            Kind::Task(task) => task.cancel(),
            Kind::Thread {
                parker: Some(parker),
                ..
            } => parker.cancel(),
            Kind::Thread { parker: None, .. } | Kind::Over => {}
        }
    }
}

impl<T> JoinHandle<T> {
    /// Lets the flow go on by itself.
    pub fn detach(self) {}

    /// Whether the flow has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Kind::Task(task) => task.is_finished(),
            Kind::Thread { packet, .. } => packet.lock().finished,
            Kind::Over => true,
        }
    }

    /// Blocks the thread until a flow on another thread has ended; a task is not waited for.
    pub(crate) fn wait_on_thread(&self) {
        if let Kind::Thread { packet, .. } = &self.0 {
            packet.wait();
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.0 {
            Kind::Task(task) => match std::task::ready!(task.poll_outcome(context)) {
                Outcome::Done(value) => Ok(value),
                Outcome::Panicked(payload) => Err(JoinError::panicked(payload)),
                Outcome::Cancelled => Err(JoinError::Cancelled),
            },
            Kind::Thread { packet, .. } => {
                let mut state = packet.lock();
                match state.result.take() {
                    Some(result) => result,
                    None => {
                        state.waker = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                }
            }
            Kind::Over => Err(JoinError::Cancelled),
        };
        self.0 = Kind::Over;
        Poll::Ready(result)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Kind::Task(task) = std::mem::replace(&mut self.0, Kind::Over) {
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
