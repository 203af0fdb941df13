//! Starting flows, in each model's own way.

pub(crate) mod gather;
pub(crate) mod join;
pub(crate) mod run_each;
pub(crate) mod scope;

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use switchboard_reactor::{Loop, Name};

use crate::blocking;
use crate::blocking::parker::Parker;
use crate::model::{Model, Refusal, on_a_stack};
use crate::spawn::join::{JoinError, JoinHandle, Kind, Packet};
use crate::threads::capacity;

/// Starts a flow beside this one: a task or a green thread where a loop runs, a thread under the
/// blocking models.
///
/// Never blocks. What goes wrong is the handle's to tell: a panic, a thread that could not be
/// started, or a model that starts nothing (`blocking`).
///
/// ```
/// use switchboard_runtime::{self as runtime, Driver, JoinError, Model};
///
/// let result = Model::Tasks.run(Driver::best(), async {
///     runtime::spawn(async { panic!("oh") }).await
/// })?;
/// assert!(matches!(result, Err(JoinError::Panicked(message)) if message == "oh"));
///
/// let refused = Model::Blocking.run(Driver::best(), async { runtime::spawn(async {}).await })?;
/// assert!(refused.unwrap_err().to_string().contains("use threads, pool, processes, tasks or green"));
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

/// As [`spawn`], for a future that is made where it will run, and so need not be `Send`; `name` is
/// what stall reports call it.
pub fn launch<T, F>(name: Name, make: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    if let Some(lp) = blocking::current_loop() {
        if Model::current() == Some(Model::Green) {
            return match on_a_stack(async { make().await }) {
                Ok(future) => on_loop(&lp, name, future),
                Err(error) => JoinHandle::failed(JoinError::Thread(error)),
            };
        }
        return on_loop(&lp, name, make());
    }
    let model = Model::current().unwrap_or(Model::Threads);
    if model == Model::Blocking {
        return JoinHandle::failed(JoinError::Refused(Refusal {
            model,
            operation: "spawn",
            instead: "it runs one flow at a time; use threads, pool, processes, tasks or green",
        }));
    }
    let packet = Packet::new();
    let parker = Parker::new();
    let handle = JoinHandle(Kind::Thread {
        packet: packet.clone(),
        parker: Some(parker.clone()),
    });
    let result = packet.clone();
    let started = capacity::start(name, move || result.finish(run_caught(model, parker, make)));
    if let Err(error) = started {
        packet.finish(Err(JoinError::Thread(error)));
    }
    handle
}

/// As [`launch`], for a flow that nobody waits for or cancels. A thread knows that from its start then,
/// and needs no descriptor to be woken by.
pub fn launch_detached<F>(name: Name, make: impl FnOnce() -> F + Send + 'static)
where
    F: Future + 'static,
    F::Output: Send,
{
    let model = Model::current().unwrap_or(Model::Threads);
    if let Some(lp) = blocking::current_loop() {
        if model != Model::Green {
            return lp.spawn_detached(name, make());
        }
        // Where no stack is to be had, what `make` holds is dropped.
        if let Ok(future) = on_a_stack(async { make().await }) {
            lp.spawn_detached(name, future);
        }
    } else if model != Model::Blocking {
        // Where no thread is to be had, what `make` holds is dropped.
        drop(capacity::start(name, move || drop(run_here(model, make))));
    } else {
        launch(name, make).detach();
    }
}

/// Whether flows of this thread run on a loop: not where a blocking flow runs, in a task or not.
pub fn is_on_loop() -> bool {
    !blocking::is_blocking() && Loop::with_current(|lp| lp.is_some())
}

/// Starts a flow beside this one on the same thread, so that its future need not be `Send`: a task,
/// whatever the model's name. Never blocks.
///
/// What goes wrong is the handle's to tell; where no loop runs, that is [`JoinError::Refused`], and the
/// future is dropped.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use switchboard_runtime::{self as runtime, Driver, Model};
///
/// let count = Model::Tasks.run(Driver::best(), async {
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
    match blocking::current_loop() {
        Some(lp) => on_loop(&lp, Location::caller(), future),
        None => JoinHandle::failed(JoinError::Refused(Refusal {
            model: Model::current().unwrap_or(Model::Threads),
            operation: "start a flow on this thread beside another",
            instead: "it has no loop; use tasks, green or callbacks",
        })),
    }
}

pub(crate) fn on_loop<T: 'static>(
    lp: &Loop,
    name: Name,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    let task = lp.spawn_named(name, future);
    JoinHandle(Kind::Task(task))
}

/// Runs the flow that `make` makes on this thread and gives its result, or its panic.
pub(crate) fn run_here<T, F: Future<Output = T>>(
    model: Model,
    make: impl FnOnce() -> F,
) -> Result<T, JoinError> {
    run_caught(model, Parker::new(), make)
}

fn run_caught<T, F: Future<Output = T>>(
    model: Model,
    parker: Arc<Parker>,
    make: impl FnOnce() -> F,
) -> Result<T, JoinError> {
    let flow = async { make().await };
    // Around it all: a future that is dropped may panic too, and somebody waits for the result.
    let run = AssertUnwindSafe(|| blocking::run_cancellable(model, parker, flow));
    match catch_unwind(run) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(JoinError::Cancelled),
        Err(payload) => Err(JoinError::panicked(payload)),
    }
}
