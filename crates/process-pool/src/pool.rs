//! The pool as its users see it.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_process::frame::Frame;

use crate::error::PoolError;
use crate::jobs::Jobs;
use crate::messages::{self, BAD_ARGUMENTS, BAD_RESULT, FAILED, PANICKED};
use crate::workers::{PoolStats, Workers};

/// Worker processes that run [`Jobs`]. A clone is a handle to the same pool, for flows of any
/// model, on any loop or thread.
///
/// Dropping the last clone kills the workers and blocks until they have ended: a few milliseconds.
/// The workers end with the pool's process too, for whatever reason it ends (on Linux; on other
/// systems a worker that runs a job ends after it).
///
/// A process that was forked from the pool's cannot use the pool: its jobs are refused.
///
/// ```standalone_crate
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model};
/// use switchboard_process_pool::{Jobs, ProcessPool};
///
/// let jobs = Jobs::new().add("sleep", |millis: u64| {
///     std::thread::sleep(Duration::from_millis(millis));
///     Ok::<u64, String>(millis)
/// });
/// let pool = ProcessPool::start(1, jobs)?;
/// Model::Tasks.run(async {
///     // The job takes too long: its worker is killed, and the next job runs in another.
///     let long = pool.run::<u64, _>("sleep", &60_000);
///     assert!(runtime::timeout(Duration::from_millis(50), long).await.is_err());
///     let slept: u64 = pool.run("sleep", &1).await?;
///     assert_eq!((slept, pool.stats().replaced), (1, 1));
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct ProcessPool {
    workers: Arc<Workers>,
    /// The names of the jobs, by their index.
    names: Arc<[String]>,
}

impl ProcessPool {
    /// Starts `workers` processes that run `jobs`. Blocks until they run.
    ///
    /// The processes are forked, and have a copy of the memory and of the open descriptors that
    /// this process has then: start a pool before sockets are opened and memory is filled.
    ///
    /// # Errors
    /// `Unsupported` if this process has more than one thread; `InvalidInput` for no workers;
    /// otherwise the error of the system call, such as `WouldBlock` at the limit of processes.
    pub fn start(workers: usize, jobs: Jobs) -> io::Result<ProcessPool> {
        if workers == 0 {
            let text = "a process pool of no workers runs no job: ask for at least one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(ProcessPool {
            workers: Arc::new(Workers::start(workers, &jobs)?),
            names: jobs.names().into(),
        })
    }

    /// Runs the job `name` in a worker and returns its result. Jobs that find all workers busy wait
    /// in a queue, first come, first served. The call itself writes the arguments as JSON;
    /// arguments and result may be 64 MiB long.
    ///
    /// Dropping the future leaves the queue, or kills the worker that runs the job; another takes
    /// its place. A job whose worker dies is not run again.
    ///
    /// A job should not fork: while a process that it forked holds the worker's socket open, the
    /// end of the worker is not noticed.
    ///
    /// # Errors
    /// Those of [`PoolError`]; in a process that was forked from the pool's, `Io` of kind
    /// `Unsupported`.
    pub fn run<'a, R, A>(
        &'a self,
        name: &str,
        arguments: &A,
    ) -> impl Future<Output = Result<R, PoolError>> + use<'a, R, A>
    where
        R: DeserializeOwned,
        A: Serialize + ?Sized,
    {
        let request = self.request(name, arguments);
        async move {
            let request = request?;
            let worker = match self.workers.borrow() {
                Ok(worker) => worker,
                Err(queue) => match queue.recv().await {
                    Ok(worker) => worker,
                    Err(_) => unreachable!("a sender is dropped after it has sent a worker"),
                },
            };
            result(worker.run(&request).await?)
        }
    }

    /// Returns the request for a job.
    fn request(
        &self,
        name: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<Vec<u8>, PoolError> {
        self.workers.check_owner()?;
        match self.names.iter().position(|known| known == name) {
            Some(job) => messages::request(self.names.len())
                .encode_json(job as u32, arguments)
                .map_err(|error| PoolError::Arguments(error.to_string())),
            None => Err(PoolError::Unknown {
                name: name.to_owned(),
                known: self.names.to_vec(),
            }),
        }
    }

    /// Returns the state of the pool now. Never blocks.
    pub fn stats(&self) -> PoolStats {
        self.workers.stats()
    }
}

/// Returns the result or the error that an answer carries.
fn result<R: DeserializeOwned>(answer: Frame) -> Result<R, PoolError> {
    let text = || String::from_utf8_lossy(&answer.body).into_owned();
    match answer.kind {
        FAILED => Err(PoolError::Failed(text())),
        PANICKED => Err(PoolError::Panicked(text())),
        BAD_ARGUMENTS => Err(PoolError::Arguments(text())),
        BAD_RESULT => Err(PoolError::Result(text())),
        _ => serde_json::from_slice(&answer.body)
            .map_err(|error| PoolError::Result(error.to_string())),
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessPool({:?}, {:?})", self.names, self.stats())
    }
}
