//! Jobs: the same function run many times, by the means of any model.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_process::{Calls, ExitStatus, PANICKED};
use switchboard_reactor::Driver;

use super::gather::gather;
use crate::model::{Dispatch, Model, Need, Style};
use crate::spawn::join::JoinError;
use crate::spawn::{launch, run_here};
use crate::threads::capacity;

/// The reason why a job has no result. Other jobs are not affected.
///
/// ```
/// use switchboard_runtime::{JobError, JoinError, Model, run_each};
///
/// run_each(Model::Tasks, None, 1, 1, |_| async { panic!("oh") }, |_, result| {
///     let result: Result<(), JobError> = result;
///     assert!(matches!(result, Err(JobError::Join(JoinError::Panicked(text))) if text == "oh"));
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub enum JobError {
    /// The job panicked, or no thread could be started for it.
    Join(JoinError),
    /// The job's process ended without a result.
    Process(ExitStatus),
    /// The job's process could not be started or reaped.
    Io(io::Error),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Join(error) => error.fmt(f),
            JobError::Process(ExitStatus::Exited(PANICKED)) => {
                f.write_str("the job's process panicked")
            }
            JobError::Process(status) => {
                write!(f, "the job gave no result: its process {status}")
            }
            JobError::Io(error) => write!(f, "the job's process: {error}"),
        }
    }
}

impl std::error::Error for JobError {}

/// Runs the jobs `work(0)` … `work(jobs - 1)` under `model`, at most `at_once` at a time. When a job
/// finishes, calls `done` on this thread with the job's number and its result. Blocks until all have
/// finished.
///
/// | model | how the jobs run |
/// |---|---|
/// | `blocking` | one after another on this thread |
/// | `threads` | in a thread each |
/// | `pool` | in `at_once` threads, each of which runs one job after another |
/// | `processes` | in a forked process each, whose result comes back as JSON through a pipe |
/// | `tasks`, `green` | on one event loop, which waits with `driver`, or with the best one if that is `None` |
///
/// A job that panics, or whose thread or process could not be started, has a [`JobError`]; the others
/// still run. When no descriptor is left for the pipe of a process, its job waits until another one ends.
///
/// # Errors
/// `Unsupported` under `callbacks`, and for a driver under a model without a loop; those of opening the
/// driver, of its wait, and of waiting for processes.
///
/// ```
/// use switchboard_runtime::{Model, run_each};
///
/// let mut sum = 0;
/// let square = |number: usize| async move { number * number };
/// run_each(Model::Threads, None, 10, 4, square, |_, result| sum += result.unwrap())?;
/// assert_eq!(sum, 285);
/// # std::io::Result::Ok(())
/// ```
pub fn run_each<T, F>(
    model: Model,
    driver: Option<Driver>,
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
    mut done: impl FnMut(usize, Result<T, JobError>),
) -> io::Result<()>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    F: Future<Output = T> + 'static,
{
    model.runs(Style::Async)?;
    if driver.is_some() {
        Need::Loop.check(model)?;
    }
    let at_once = at_once.clamp(1, jobs.max(1));
    match model.dispatch() {
        Dispatch::InTurn => {
            for job in 0..jobs {
                done(job, run_here(model, || work(job)).map_err(JobError::Join));
            }
            Ok(())
        }
        Dispatch::Thread => {
            run_in_threads(jobs, at_once, work, done);
            Ok(())
        }
        Dispatch::PooledThread => {
            run_in_thread_pool(jobs, at_once, work, done);
            Ok(())
        }
        Dispatch::Process => run_in_processes(jobs, at_once, work, done),
        Dispatch::Task | Dispatch::Stack | Dispatch::Object => {
            let all = run_on_loop(jobs, at_once, work, done);
            model.run_with(driver.unwrap_or_else(Driver::best), all)
        }
    }
}

/// Runs the jobs as flows of the current loop, so that a panic ends one job only.
async fn run_on_loop<T, F>(
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
    done: impl FnMut(usize, Result<T, JobError>),
) where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let next = Cell::new(0);
    let done = RefCell::new(done);
    let one_after_another = || async {
        while next.get() < jobs {
            let job = next.replace(next.get() + 1);
            let work = work.clone();
            let run = launch(Location::caller(), move || async move { work(job).await });
            let result = run.await.map_err(JobError::Join);
            done.borrow_mut()(job, result);
        }
    };
    gather((0..at_once).map(|_| one_after_another())).await;
}

/// Runs each job in a thread of its own.
fn run_in_threads<T, F>(
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
    mut done: impl FnMut(usize, Result<T, JobError>),
) where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (sender, receiver) = mpsc::channel();
    let mut waiting = 0..jobs;
    let mut running = 0;
    loop {
        while running < at_once
            && let Some(job) = waiting.next()
        {
            let (work, sender) = (work.clone(), sender.clone());
            let run = move || {
                let result = run_here(Model::Threads, || work(job));
                let _ = sender.send((job, result));
            };
            match capacity::start(Location::caller(), run) {
                Ok(()) => running += 1,
                Err(error) => done(job, Err(JobError::Join(JoinError::Thread(error)))),
            }
        }
        if running == 0 {
            return;
        }
        if let Ok((job, result)) = receiver.recv() {
            running -= 1;
            done(job, result.map_err(JobError::Join));
        }
    }
}

/// Runs the jobs in `at_once` threads, each of which runs one job after another.
fn run_in_thread_pool<T, F>(
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
    mut done: impl FnMut(usize, Result<T, JobError>),
) where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (sender, receiver) = mpsc::channel();
    let next = Arc::new(AtomicUsize::new(0));
    let mut refused = None;
    let mut started = 0;
    for _ in 0..at_once {
        let (work, sender, next) = (work.clone(), sender.clone(), next.clone());
        let run = move || loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return;
            }
            let result = run_here(Model::Pool, || work(job));
            if sender.send((job, result)).is_err() {
                return;
            }
        };
        match capacity::start(Location::caller(), run) {
            Ok(()) => started += 1,
            Err(error) => refused = Some(error),
        }
    }
    if started == 0
        && let Some(error) = refused
    {
        for job in 0..jobs {
            let error = io::Error::new(error.kind(), error.to_string());
            done(job, Err(JobError::Join(JoinError::Thread(error))));
        }
        return;
    }
    drop(sender);
    for (job, result) in receiver {
        done(job, result.map_err(JobError::Join));
    }
}

/// Runs each job in a process of its own.
fn run_in_processes<T, F>(
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F,
    mut done: impl FnMut(usize, Result<T, JobError>),
) -> io::Result<()>
where
    T: Serialize + DeserializeOwned,
    F: Future<Output = T>,
{
    let mut calls = Calls::new();
    let mut waiting = 0..jobs;
    loop {
        while calls.len() < at_once
            && let Some(job) = waiting.next()
        {
            let run = || run_here(Model::Processes, || work(job)).map_err(|_| PANICKED);
            match calls.start(job, || (), run) {
                Ok(()) => {}
                // The job starts when another one ends and gives its pipe back.
                Err(error) if lacks_descriptors(&error) && !calls.is_empty() => {
                    waiting.start = job;
                    break;
                }
                Err(error) => done(job, Err(JobError::Io(error))),
            }
        }
        if calls.is_empty() {
            return Ok(());
        }
        for call in calls.wait(None)? {
            let status = call.status.map_err(JobError::Io);
            let result = status.and_then(|status| call.value.ok_or(JobError::Process(status)));
            done(call.key, result);
        }
    }
}

/// Returns whether a call failed because the process or the system has no descriptor left.
fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}
