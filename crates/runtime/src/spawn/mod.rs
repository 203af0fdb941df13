//! The start of flows: as tasks, green threads or threads, by the model.

pub(crate) mod gather;
pub(crate) mod join;
pub(crate) mod join_set;
pub(crate) mod result_slot;
pub(crate) mod run_each;
pub(crate) mod scope;
pub(crate) mod span;

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use switchboard_reactor::{Loop, Name};

use crate::blocking;
use crate::blocking::parker::Parker;
use crate::model::{Model, Need, Wait, as_green_thread};
use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::result_slot::ResultSlot;
use crate::spawn::span::FlowSpan;
use crate::threads::capacity;

/// Starts a flow beside this one: a task or a green thread where a loop runs, a thread under the
/// blocking models.
///
/// Never blocks. The handle returns what goes wrong as a [`JoinError`]: `Panicked`, `Thread` if no thread
/// or stack could be had, `Refused` under a model that starts no flows (`blocking`).
///
/// ```
/// use switchboard_runtime::{self as runtime, JoinError, Model};
///
/// let result = Model::Tasks.run(async {
///     runtime::spawn(async { panic!("oh") }).await
/// })?;
/// assert!(matches!(result, Err(JoinError::Panicked(message)) if message == "oh"));
///
/// let refused = Model::Blocking.run(async { runtime::spawn(async {}).await })?;
/// assert!(refused.unwrap_err().to_string().contains("use threads, pool, processes, tasks"));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn<T, F>(future: F) -> JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    launch(Location::caller(), move || future)
}

/// Starts a flow as [`spawn`] does, for a future that `make` creates on the thread where it runs, so that
/// the future need not be `Send`. Reports of stalls name the flow by `name`.
pub fn launch<T, F>(name: Name, make: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    match blocking::current_loop() {
        Some(lp) if Wait::current() == Some(Wait::Stack) => {
            match as_green_thread(async { make().await }) {
                Ok(future) => on_loop(&lp, name, future),
                Err(error) => JoinHandle::failed(JoinError::Thread(error)),
            }
        }
        Some(lp) => on_loop(&lp, name, make()),
        None => on_thread(name, make),
    }
}

/// Starts a blocking flow in a thread, under the model of the flow that runs on this thread.
fn on_thread<T, F>(name: Name, make: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let model = thread_model();
    if let Err(refusal) = Need::Flows.check(model) {
        return JoinHandle::failed(JoinError::Refused(refusal));
    }
    let (slot, parker) = (ResultSlot::new(), Parker::new());
    let handle = JoinHandle::thread(slot.clone(), Some(parker.clone()));
    match capacity::start(name, move || slot.finish(run_caught(model, parker, make))) {
        Ok(()) => handle,
        Err(error) => JoinHandle::failed(JoinError::Thread(error)),
    }
}

/// Returns the model of the flows that run in threads started by this one.
fn thread_model() -> Model {
    Model::current().unwrap_or(Model::Threads)
}

/// Starts a flow as [`launch`] does, in a span, and without a handle to join or cancel it. A flow in a
/// thread then needs no descriptor for its notifier, as long as it waits for one operation at a time.
///
/// The span is left whenever the flow waits, also where that suspends a stack in the middle of a call.
pub fn launch_detached<F>(name: Name, span: FlowSpan, make: impl FnOnce() -> F + Send + 'static)
where
    F: Future + 'static,
    F::Output: Send,
{
    let model = thread_model();
    if let Some(lp) = blocking::current_loop() {
        if Wait::current() != Some(Wait::Stack) {
            let future = span.in_scope(make);
            return lp.spawn_detached(name, span.around(future));
        }
        // If no stack can be mapped, `make` is dropped with all that it holds.
        if let Ok(future) = as_green_thread(async { make().await }) {
            lp.spawn_detached(name, span.around(future));
        }
    } else if Need::Flows.check(model).is_ok() {
        // If no thread can be started, `make` is dropped with all that it holds.
        drop(capacity::start(name, move || {
            span.in_scope(|| run_here(model, make))
        }));
    }
    // A model that starts no flows refuses this one: `make` is dropped.
}

/// Returns whether the flows of this thread run on a loop. A blocking flow does not, even within a task.
///
/// ```
/// use switchboard_runtime::{Model, is_on_loop};
///
/// assert!(Model::Tasks.run(async { is_on_loop() })?);
/// assert!(!Model::Threads.run(async { is_on_loop() })?);
/// # std::io::Result::Ok(())
/// ```
pub fn is_on_loop() -> bool {
    Wait::current().is_some_and(Wait::has_loop)
}

/// Starts a task on this thread, beside this flow, so that its future need not be `Send`. Never blocks.
///
/// The handle returns what goes wrong. Where no loop runs, that is [`JoinError::Refused`], and the
/// future is dropped.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use switchboard_runtime::{self as runtime, Model};
///
/// let count = Model::Tasks.run(async {
///     let count = Rc::new(Cell::new(0));
///     let own = count.clone();
///     runtime::spawn_local(async move { own.set(own.get() + 1) }).await.unwrap();
///     count.get()
/// })?;
/// assert_eq!(count, 1);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn_local<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    launch_local(Location::caller(), future)
}

/// Starts a task as [`spawn_local`] does. Reports of stalls and panics name it by `name`.
pub fn launch_local<T: 'static>(
    name: Name,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    match blocking::current_loop() {
        Some(lp) => on_loop(&lp, name, future),
        None => JoinHandle::failed(JoinError::Refused(Need::LocalFlows.refuse(thread_model()))),
    }
}

/// Starts `future` as a task of `lp`.
pub(crate) fn on_loop<T: 'static>(
    lp: &Loop,
    name: Name,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    JoinHandle::task(lp.spawn_named(name, future))
}

/// Runs the future that `make` creates as a blocking flow on this thread, and returns its result or its
/// panic.
pub(crate) fn run_here<T, F: Future<Output = T>>(
    model: Model,
    make: impl FnOnce() -> F,
) -> Result<T, JoinError> {
    run_caught(model, Parker::new(), make)
}

/// Runs a flow as [`run_here`] does; `parker` can cancel it.
fn run_caught<T, F: Future<Output = T>>(
    model: Model,
    parker: Arc<Parker>,
    make: impl FnOnce() -> F,
) -> Result<T, JoinError> {
    let flow = async { make().await };
    // The drop of a cancelled future runs in here too, so that its panic is the flow's result.
    let run = AssertUnwindSafe(|| blocking::run_cancellable(model, parker, flow));
    match catch_unwind(run) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(JoinError::Cancelled),
        Err(payload) => Err(JoinError::panicked(payload)),
    }
}
