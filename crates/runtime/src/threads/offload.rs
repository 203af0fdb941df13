//! The pool of threads that runs jobs which block or compute, so that no loop has to wait for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::result_slot::ResultSlot;
use crate::threads::capacity;

/// The most threads that the pool starts. Further jobs wait in its queue.
const MAX_THREADS: usize = 64;
/// The time for which an idle thread waits for a job before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    queue: VecDeque::new(),
    threads: 0,
    idle: 0,
});
static JOB_QUEUED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
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
    let pool = lock();
    OffloadStats {
        queued: pool.queue.len(),
        busy: pool.threads - pool.idle,
        threads: pool.threads,
    }
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
    let slot = ResultSlot::new();
    let handle = JoinHandle::thread(slot.clone(), None);
    let result = slot.clone();
    let job = Box::new(move || {
        result.finish(catch_unwind(AssertUnwindSafe(job)).map_err(JoinError::panicked));
    });
    let mut pool = lock();
    pool.queue.push_back(job);
    if pool.idle >= pool.queue.len() {
        JOB_QUEUED.notify_one();
    } else if pool.threads < MAX_THREADS {
        pool.threads += 1;
        drop(pool);
        if let Err(error) = capacity::start(Location::caller(), run_jobs) {
            let mut pool = lock();
            pool.threads -= 1;
            // Without any thread no job of the queue would ever run.
            if pool.threads == 0 {
                pool.queue.clear();
                drop(pool);
                slot.finish(Err(JoinError::Thread(error)));
            }
        }
    }
    handle
}

/// Runs jobs until none has come for [`IDLE_TIMEOUT`].
fn run_jobs() {
    let mut pool = lock();
    loop {
        if let Some(job) = pool.queue.pop_front() {
            drop(pool);
            job();
            pool = lock();
            continue;
        }
        pool.idle += 1;
        let (locked, wait) = JOB_QUEUED
            .wait_timeout(pool, IDLE_TIMEOUT)
            .unwrap_or_else(PoisonError::into_inner);
        pool = locked;
        pool.idle -= 1;
        if wait.timed_out() && pool.queue.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}
