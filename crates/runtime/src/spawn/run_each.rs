//! Jobs: the same work many times over, as each model would do it.

use std::fmt;
use std::future::Future;
use std::io::{self, Read, Write};
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_reactor::Driver;

use super::gather::gather;
use crate::model::{Dispatch, Model, Need, Style};
use crate::process::{self, Ended};
use crate::spawn::join::JoinError;
use crate::spawn::{launch, run_here};
use crate::threads::capacity;

/// Why a job gave no result. The other jobs are not affected.
#[derive(Debug)]
pub enum JobError {
    /// It panicked, or no thread could be had for it.
    Join(JoinError),
    /// Its process ended without a result.
    Process(Ended),
    /// Its process could not be started or heard.
    Io(io::Error),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Join(error) => error.fmt(f),
            JobError::Process(Ended::Exited(101)) => f.write_str("the job's process panicked"),
            JobError::Process(Ended::Exited(status)) => {
                write!(
                    f,
                    "the job's process exited with status {status} and no result"
                )
            }
            JobError::Process(Ended::Killed(signal)) => {
                write!(f, "the job's process was ended by signal {signal}")
            }
            JobError::Io(error) => write!(f, "the job's process: {error}"),
        }
    }
}

impl std::error::Error for JobError {}

/// Runs `work(0)` … `work(jobs - 1)` as `model` does it, at most `at_once` at a time, and calls
/// `done` on this thread for each as it finishes. Blocks until all have.
///
/// `blocking` runs one after another; `threads` starts a thread for each, `pool` `at_once` threads
/// that are used again, `processes` a process for each, whose result comes back as JSON through a
/// pipe; `tasks` and `green` run them on one loop that waits with `driver`, or with the best one if that
/// is `None`.
///
/// A job that panics is an error of its own.
///
/// # Errors
/// Those of opening the driver or of its wait; `Unsupported` under `callbacks`, and for a driver under a
/// model without a loop.
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
        Dispatch::Thread | Dispatch::PooledThread => {
            on_threads(model, jobs, at_once, work, done);
            Ok(())
        }
        Dispatch::Process => in_processes(jobs, at_once, work, done),
        Dispatch::Task | Dispatch::Stack | Dispatch::Object => {
            let next = std::cell::Cell::new(0);
            let done = std::cell::RefCell::new(done);
            // `at_once` lines of work in one flow, each job a task, so that a panic is its own.
            let line = || async {
                while next.get() < jobs {
                    let job = next.replace(next.get() + 1);
                    let work = work.clone();
                    let result =
                        launch(Location::caller(), move || async move { work(job).await }).await;
                    let mut done = done.borrow_mut();
                    done(job, result.map_err(JobError::Join));
                }
            };
            let lines = (0..at_once).map(|_| line());
            let driver = driver.unwrap_or_else(Driver::best);
            model.run_with(driver, gather(lines)).map(drop)
        }
    }
}

fn on_threads<T, F>(
    model: Model,
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
    mut done: impl FnMut(usize, Result<T, JobError>),
) where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (sender, receiver) = mpsc::channel();
    if model.dispatch() == Dispatch::PooledThread {
        let next = Arc::new(AtomicUsize::new(0));
        let mut refused = None;
        let mut started = 0;
        for _ in 0..at_once {
            let (work, sender, next) = (work.clone(), sender.clone(), next.clone());
            let run = move || loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs || sender.send((job, run_here(model, || work(job)))).is_err() {
                    return;
                }
            };
            match capacity::start(Location::caller(), run) {
                Ok(()) => started += 1,
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused.filter(|_| started == 0) {
            return done(0, Err(JobError::Join(JoinError::Thread(error))));
        }
        drop(sender);
        return receiver
            .iter()
            .for_each(|(job, result)| done(job, result.map_err(JobError::Join)));
    }
    let mut running = 0;
    let mut next = 0;
    while next < jobs || running > 0 {
        while next < jobs && running < at_once {
            let (work, sender, job) = (work.clone(), sender.clone(), next);
            next += 1;
            let run = move || drop(sender.send((job, run_here(model, || work(job)))));
            match capacity::start(Location::caller(), run) {
                Ok(()) => running += 1,
                Err(error) => done(job, Err(JobError::Join(JoinError::Thread(error)))),
            }
        }
        if running > 0
            && let Ok((job, result)) = receiver.recv()
        {
            running -= 1;
            done(job, result.map_err(JobError::Join));
        }
    }
}

fn in_processes<T, F>(
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F,
    mut done: impl FnMut(usize, Result<T, JobError>),
) -> io::Result<()>
where
    T: Serialize + DeserializeOwned,
    F: Future<Output = T>,
{
    struct Running {
        job: usize,
        child: process::Child,
        pipe: std::io::PipeReader,
        heard: Vec<u8>,
    }
    let mut running: Vec<Running> = Vec::new();
    let mut next = 0;
    while next < jobs || !running.is_empty() {
        while next < jobs && running.len() < at_once {
            let job = next;
            next += 1;
            let started = std::io::pipe().and_then(|(pipe, mut writer)| {
                let child = process::fork(|| {
                    let value = run_here(Model::Processes, || work(job));
                    let bytes = value.ok().and_then(|value| serde_json::to_vec(&value).ok());
                    match bytes.map(|bytes| writer.write_all(&bytes)) {
                        Some(Ok(())) => 0,
                        _ => 101,
                    }
                })?;
                Ok((pipe, child))
            });
            match started {
                Ok((pipe, child)) => running.push(Running {
                    job,
                    child,
                    pipe,
                    heard: Vec::new(),
                }),
                Err(error) => done(job, Err(JobError::Io(error))),
            }
        }
        let flags = rustix::event::PollFlags::IN;
        let mut fds: Vec<_> = running
            .iter()
            .map(|one| rustix::event::PollFd::new(&one.pipe, flags))
            .collect();
        if fds.is_empty() {
            continue;
        }
        match rustix::event::poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for at in (0..running.len()).rev().filter(|at| ready[*at]) {
            let one = &mut running[at];
            let mut buffer = [0; 16 * 1024];
            let length = one.pipe.read(&mut buffer)?;
            one.heard.extend_from_slice(&buffer[..length]);
            if length == 0 {
                let one = running.swap_remove(at);
                let ended = one.child.wait().map_err(JobError::Io);
                done(
                    one.job,
                    ended.and_then(|ended| {
                        serde_json::from_slice(&one.heard).map_err(|_| JobError::Process(ended))
                    }),
                );
            }
        }
    }
    Ok(())
}
