//! Checks of tasks' handles, which may be on other threads than their tasks.

use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use loom::thread;

use crate::id::TaskId;
use crate::join::{Joined, Outcome, Shared, Task};
use crate::sync::NotifyFd;

/// A flow that waits for a handle.
struct Flow(NotifyFd);

impl Flow {
    fn new() -> Arc<Flow> {
        Arc::new(Flow(NotifyFd::new().unwrap()))
    }
}

impl Wake for Flow {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn poll<T>(task: &mut Task<T>, flow: &Arc<Flow>) -> Poll<Outcome<T>> {
    let waker = Waker::from(flow.clone());
    task.poll_outcome(&mut Context::from_waker(&waker))
}

/// Waits for the outcome of a task. The checker reports a deadlock if the flow is not woken.
fn wait_for<T>(task: &mut Task<T>) -> Outcome<T> {
    let flow = Flow::new();
    loop {
        if let Poll::Ready(outcome) = poll(task, &flow) {
            return outcome;
        }
        flow.0.wait();
        flow.0.drain();
    }
}

/// Runs a task to its end, as a loop does.
fn run<F: Future>(joined: Joined<F>, id: &TaskId) {
    let mut joined = pin!(joined);
    let mut context = Context::from_waker(Waker::noop());
    while joined.as_mut().poll(&mut context).is_pending() {
        id.wait();
    }
}

fn task<F: Future>(future: F) -> (Task<F::Output>, Joined<F>, TaskId) {
    let (shared, id) = (Shared::new(), TaskId::new());
    let task = Task::new(shared.clone(), id.clone());
    (task, Joined::new(shared, future), id)
}

/// A flow polls the handle twice, with different wakers, while the task ends. It must receive the outcome
/// once and be woken by the second waker.
#[test]
fn a_flow_receives_the_outcome_of_a_task_that_ends_meanwhile() {
    loom::model(|| {
        let value = Arc::new(());
        let (mut task, joined, id) = task(ready(value.clone()));
        let runner = thread::spawn(move || run(joined, &id));
        let outcome = match poll(&mut task, &Flow::new()) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => wait_for(&mut task),
        };
        let Outcome::Done(received) = outcome else {
            panic!("the task returns a value");
        };
        runner.join().unwrap();
        drop(task);
        assert!(Arc::ptr_eq(&value, &received));
        assert_eq!(Arc::strong_count(&value), 2);
    });
}

/// A flow cancels a task that ends at the same time. The outcome is the task's value if it ended before, and
/// the checker must find both outcomes. The future is dropped before the outcome can be seen.
#[test]
fn a_task_that_ends_keeps_its_value_in_spite_of_a_cancel() {
    static DONE: AtomicBool = AtomicBool::new(false);
    static CANCELLED: AtomicBool = AtomicBool::new(false);
    loom::model(|| {
        let owned = Arc::new(());
        let inner = owned.clone();
        let (mut task, joined, id) = task(async move {
            let _inner = inner;
            7
        });
        let runner = thread::spawn(move || run(joined, &id));
        let finished = task.is_finished();
        task.cancel();
        match wait_for(&mut task) {
            Outcome::Done(value) => {
                assert_eq!(value, 7);
                DONE.store(true, Ordering::Relaxed);
            }
            Outcome::Cancelled => {
                assert!(!finished);
                CANCELLED.store(true, Ordering::Relaxed);
            }
            Outcome::Panicked(_) => panic!("the task does not panic"),
        }
        assert_eq!(Arc::strong_count(&owned), 1);
        runner.join().unwrap();
    });
    assert!(DONE.load(Ordering::Relaxed) && CANCELLED.load(Ordering::Relaxed));
}

/// A flow cancels a task that waits for ever. The task must end, whether it is polled before or after.
#[test]
fn a_cancelled_task_ends() {
    loom::model(|| {
        let (mut task, joined, id) = task(pending::<()>());
        let runner = thread::spawn(move || run(joined, &id));
        task.cancel();
        assert!(matches!(wait_for(&mut task), Outcome::Cancelled));
        runner.join().unwrap();
    });
}

/// The loop of a task is dropped while a flow waits for the handle.
#[test]
fn a_task_whose_loop_is_dropped_is_cancelled() {
    loom::model(|| {
        let (mut task, joined, _id) = task(pending::<()>());
        let runner = thread::spawn(move || drop(joined));
        assert!(matches!(wait_for(&mut task), Outcome::Cancelled));
        runner.join().unwrap();
    });
}
