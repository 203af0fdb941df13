//! Work that computes or blocks, off the loop: a bounded pool of threads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::spawn::join::{JoinError, JoinHandle, Kind, Packet};
use crate::threads::capacity;

/// At most so many threads; more jobs queue.
const THREADS: usize = 64;
/// A thread without work leaves after this long.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static STATE: Mutex<State> = Mutex::new(State {
    queue: VecDeque::new(),
    threads: 0,
    idle: 0,
});
static WORK: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the pool of [`run_blocking`] fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffloadStats {
    /// Jobs that no thread has taken yet.
    pub queued: usize,
    /// Threads that have one.
    pub busy: usize,
    /// Threads in all.
    pub threads: usize,
}

/// How the pool of [`run_blocking`] fares now.
pub fn offload_stats() -> OffloadStats {
    let state = lock();
    OffloadStats {
        queued: state.queue.len(),
        busy: state.threads - state.idle,
        threads: state.threads,
    }
}

/// Runs `work` on a thread of a pool of at most 64, and gives its result or its panic.
///
/// Cancelling doesn't stop it once it runs; a waiting flow is free to go.
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
pub fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let packet = Packet::new();
    let result = packet.clone();
    let job = Box::new(move || {
        result.finish(catch_unwind(AssertUnwindSafe(work)).map_err(JoinError::panicked));
    });
    let mut state = lock();
    state.queue.push_back(job);
    if state.idle >= state.queue.len() {
        WORK.notify_one();
    } else if state.threads < THREADS {
        state.threads += 1;
        drop(state);
        if let Err(error) = capacity::start(Location::caller(), serve) {
            let mut state = lock();
            state.threads -= 1;
            // With no thread at all nobody would ever come to it.
            if state.threads == 0 {
                state.queue.clear();
                drop(state);
                packet.finish(Err(JoinError::Thread(error)));
            }
        }
    }
    JoinHandle(Kind::Thread {
        packet,
        parker: None,
    })
}

fn serve() {
    let mut state = lock();
    loop {
        if let Some(job) = state.queue.pop_front() {
            drop(state);
            job();
            state = lock();
            continue;
        }
        state.idle += 1;
        let (woken, wait) = WORK
            .wait_timeout(state, IDLE)
            .unwrap_or_else(PoisonError::into_inner);
        state = woken;
        state.idle -= 1;
        if wait.timed_out() && state.queue.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}
