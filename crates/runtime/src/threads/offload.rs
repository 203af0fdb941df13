//! The pools of threads that run jobs which block or compute, so that no loop has to wait for them.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_reactor::{Hooks as _, Log};

use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::result_slot::ResultSlot;
use crate::threads::capacity;

/// The time without progress after which a pool starts one more thread.
const STALL: Duration = Duration::from_millis(500);
/// The time for which an idle thread waits for a job before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The pool of [`run_blocking`].
static JOBS: Pool = Pool::new(64);
/// The pool of [`run_lookup`].
static LOOKUPS: Pool = Pool::new(16);

/// A job, which runs if it is called with `Ok`, and is refused with the error otherwise.
type Job = Box<dyn FnOnce(Result<(), &io::Error>) + Send>;

/// Returns `work` as a job of a pool, and the handle to its result.
fn job<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> (Job, JoinHandle<T>) {
    let slot = ResultSlot::new();
    let handle = JoinHandle::thread(slot.clone(), None);
    let job = move |start: Result<(), &io::Error>| match start {
        Ok(()) => {
            let result = catch_unwind(AssertUnwindSafe(work)).map_err(JoinError::panicked);
            // The result is dropped here if its handle was. A panic of that, or of the waker, would end a thread
            // that the pool counts.
            let _ = catch_unwind(AssertUnwindSafe(move || {
                slot.finish(result);
                drop(slot);
            }));
        }
        Err(error) => {
            slot.finish(Err(JoinError::Thread(same_error(error))));
            // A panic of a drop would leave the jobs behind this one unfinished.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
        }
    };
    (Box::new(job), handle)
}

/// Returns an error of the same kind, text and number.
fn same_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// A pool of threads, which are started when jobs come and end when none has come for a while.
struct Pool {
    /// The number of threads up to which the pool starts one for each job that finds none free. Further jobs
    /// wait in its queue.
    max_threads: usize,
    load: Mutex<Load>,
    job_queued: Condvar,
}

struct Load {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// The number of jobs that threads have taken so far.
    taken: u64,
    /// Whether a thread looks for stalls.
    watched: bool,
    stalls: u64,
}

impl Pool {
    const fn new(max_threads: usize) -> Pool {
        Pool {
            max_threads,
            load: Mutex::new(Load {
                queue: VecDeque::new(),
                threads: 0,
                idle: 0,
                taken: 0,
                watched: false,
                stalls: 0,
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
            stalls: load.stalls,
        }
    }

    #[track_caller]
    fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let (job, handle) = job(work);
        let mut load = self.lock();
        load.queue.push_back(job);
        if load.idle >= load.queue.len() {
            self.job_queued.notify_one();
        } else if load.threads < self.max_threads {
            load.threads += 1;
            drop(load);
            if let Err(error) = capacity::start(Location::caller(), || self.run_jobs()) {
                self.thread_refused(&error);
            }
        } else if !load.watched {
            load.watched = true;
            drop(load);
            if capacity::start(Location::caller(), || self.watch_for_stalls()).is_err() {
                // The next job that is queued tries again.
                self.lock().watched = false;
            }
        }
        handle
    }

    /// Notes that a thread counted before could not be started. Without any thread no job of the queue would
    /// ever run, so that all of them are refused.
    fn thread_refused(&self, error: &io::Error) {
        let mut load = self.lock();
        load.threads -= 1;
        if load.threads > 0 {
            return;
        }
        let refused = std::mem::take(&mut load.queue);
        // The values that a job drops, and the flows that its result wakes, may use this pool.
        drop(load);
        refused.into_iter().for_each(|job| job(Err(error)));
    }

    /// Starts a thread each time that no job was taken from the queue for [`STALL`]: all jobs that run may
    /// wait for one that is queued. Ends when the queue is empty.
    fn watch_for_stalls(&'static self) {
        let mut load = self.lock();
        let mut warned = false;
        while !load.queue.is_empty() {
            let taken = load.taken;
            drop(load);
            std::thread::sleep(STALL);
            load = self.lock();
            if load.queue.is_empty() || load.taken != taken {
                continue;
            }
            load.stalls += 1;
            load.threads += 1;
            drop(load);
            let started = capacity::start(Location::caller(), || self.run_jobs());
            load = self.lock();
            if let Err(error) = started {
                load.threads -= 1;
                if !std::mem::replace(&mut warned, true) {
                    let (queued, threads) = (load.queue.len(), load.threads);
                    Log.notice(&format_args!(
                        "{queued} jobs of run_blocking wait for {threads} threads, none of which ends its job: {error}"
                    ));
                }
            }
        }
        load.watched = false;
    }

    /// Runs jobs until none has come for [`IDLE_TIMEOUT`].
    fn run_jobs(&self) {
        let mut load = self.lock();
        loop {
            if let Some(job) = load.queue.pop_front() {
                load.taken += 1;
                drop(load);
                job(Ok(()));
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
    /// Threads in all. More than 64 once jobs were stalled.
    pub threads: usize,
    /// How often so far no job ended for half a second while others waited for a thread.
    pub stalls: u64,
}

/// Returns the load of the thread pool of [`run_blocking`].
pub fn offload_stats() -> OffloadStats {
    JOBS.stats()
}

/// Runs `job` on a thread of a pool, and returns a handle to its result.
///
/// Never blocks: once the pool has 64 threads, a job for which none is free waits in a queue. If no job ends
/// for half a second while others wait, the pool starts one more thread, and another one each half second
/// until a job ends. So jobs that wait for queued ones go on, up to the [thread
/// capacity](crate::thread_capacity); a warning says when that is reached. Threads end ten seconds after
/// their last job.
///
/// A panic of the job, and a thread that
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

#[cfg(test)]
mod tests {
    use super::*;

    static POOL: Pool = Pool::new(4);

    struct UsesPool;

    impl Drop for UsesPool {
        fn drop(&mut self) {
            POOL.stats();
        }
    }

    #[test]
    fn jobs_of_callers_that_all_fail_to_start_a_thread_are_refused() {
        let handles: Vec<_> = (0..2)
            .map(|number| {
                let held = UsesPool;
                let (job, handle) = job(move || {
                    let _held = held;
                    number
                });
                let mut load = POOL.lock();
                load.queue.push_back(job);
                load.threads += 1;
                handle
            })
            .collect();
        let error = io::Error::from_raw_os_error(11);
        POOL.thread_refused(&error);
        assert!(!handles.iter().any(JoinHandle::is_finished));
        POOL.thread_refused(&error);
        for handle in handles {
            let refused = futures_lite::future::block_on(handle);
            assert!(
                matches!(&refused, Err(JoinError::Thread(error)) if error.raw_os_error() == Some(11)),
                "{refused:?}"
            );
        }
        assert_eq!(POOL.stats().queued, 0);
    }
}
