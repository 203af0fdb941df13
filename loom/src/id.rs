//! A model of a task's number.

use std::sync::Arc;

use crate::sync::NotifyFd;

/// A model of a task's number and its loop: waking the task notifies the loop.
#[derive(Clone)]
pub(crate) struct TaskId(Arc<NotifyFd>);

impl TaskId {
    pub(crate) fn new() -> TaskId {
        TaskId(Arc::new(
            NotifyFd::new().expect("a model of an eventfd opens"),
        ))
    }

    pub(crate) fn wake(&self) {
        self.0.notify();
    }

    /// Blocks until the task is woken.
    pub(crate) fn wait(&self) {
        self.0.wait();
        self.0.drain();
    }
}
