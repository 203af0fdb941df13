//! The pools of threads that run jobs which block or compute, so that no loop has to wait for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::result_slot::ResultSlot;
use crate::threads::capacity;

/// The time for which an idle thread waits for a job before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The pool of [`run_blocking`].
static JOBS: Pool = Pool::new(64);
/// The pool of [`run_lookup`].
static LOOKUPS: Pool = Pool::new(16);

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads, which are started when jobs come and end when none has come for a while.
struct Pool {
    /// The most threads that the pool starts. Further jobs wait in its queue.
    max_threads: usize,
    load: Mutex<Load>,
    job_queued: Condvar,
}

struct Load {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    const fn new(max_threads: usize) -> Pool {
        Pool {
            max_threads,
            load: Mutex::new(Load {
                queue: VecDeque::new(),
                threads: 0,
                idle: 0,
            }),
            job_queued: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> OffloadStats {
        let load = self.lock();
        OffloadStats {
            queued: load.queue.len(),
            busy: load.threads - load.idle,
            threads: load.threads,
        }
    }

    #[track_caller]
    fn run<T: Send + 'static>(
        &'static self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let slot = ResultSlot::new();
        let handle = JoinHandle::thread(slot.clone(), None);
        let result = slot.clone();
        let job = Box::new(move || {
            result.finish(catch_unwind(AssertUnwindSafe(job)).map_err(JoinError::panicked));
        });
        let mut load = self.lock();
        load.queue.push_back(job);
        if load.idle >= load.queue.len() {
            self.job_queued.notify_one();
        } else if load.threads < self.max_threads {
            load.threads += 1;
            drop(load);
            if let Err(error) = capacity::start(Location::caller(), || self.run_jobs()) {
                let mut load = self.lock();
                load.threads -= 1;
                // Without any thread no job of the queue would ever run.
                if load.threads == 0 {
                    load.queue.clear();
                    drop(load);
                    slot.finish(Err(JoinError::Thread(error)));
                }
            }
        }
        handle
    }

    /// Runs jobs until none has come for [`IDLE_TIMEOUT`].
    fn run_jobs(&self) {
        let mut load = self.lock();
        loop {
            if let Some(job) = load.queue.pop_front() {
                drop(load);
                job();
                load = self.lock();
                continue;
            }
            load.idle += 1;
            let (locked, wait) = self
                .job_queued
                .wait_timeout(load, IDLE_TIMEOUT)
                .unwrap_or_else(PoisonError::into_inner);
            load = locked;
            load.idle -= 1;
            if wait.timed_out() && load.queue.is_empty() {
                load.threads -= 1;
                return;
            }
        }
    }
}

/// The load of the thread pool of [`run_blocking`] at one moment.
///
/// ```
/// let stats = switchboard_runtime::offload_stats();
/// assert!(stats.busy <= stats.threads);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffloadStats {
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Threads that run a job.
    pub busy: usize,
    /// Threads in all.
    pub threads: usize,
}

/// Returns the load of the thread pool of [`run_blocking`].
pub fn offload_stats() -> OffloadStats {
    JOBS.stats()
}

/// Runs `job` on a thread of a pool of at most 64, and returns a handle to its result.
///
/// Never blocks: a job for which no thread is free waits in a queue. A panic of the job, and a thread that
/// could not be started, are the handle's [`JoinError`]. Cancelling the handle does not stop the job; a
/// flow that no longer waits for it may go on.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model};
///
/// let sum = Model::Tasks.run(async {
///     runtime::run_blocking(|| (1..=1000_u64).sum::<u64>()).await
/// })?;
/// assert_eq!(sum.unwrap(), 500_500);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn run_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    JOBS.run(job)
}

/// Runs `lookup` as [`run_blocking`] does, on a thread of another pool, of at most 16.
///
/// A look-up of a name never waits behind the jobs of a program, which may take long or wait for the look-up
/// itself.
///
/// ```
/// use std::net::ToSocketAddrs;
/// use switchboard_runtime::{self as runtime, Model};
///
/// let found = Model::Tasks.run(async {
///     runtime::run_lookup(|| "127.0.0.1:80".to_socket_addrs().map(Iterator::count)).await
/// })?;
/// assert_eq!(found.unwrap()?, 1);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn run_lookup<T: Send + 'static>(lookup: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    LOOKUPS.run(lookup)
}
