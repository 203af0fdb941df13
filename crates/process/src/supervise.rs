//! Supervision: worker processes that are started, replaced when they end, and ended together.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calls::{Calls, Finished};

/// The time after which a worker is asked to end again. A worker that was started just now may not
/// have installed its signal handler when it was asked first.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// A fixed number of worker processes, each of which reports a value of type `T` when it ends.
///
/// The supervisor does the parts that do not wait; its owner waits for SIGCHLD, or for
/// [`next_start`](Supervisor::next_start), in its own way.
///
/// ```standalone_crate
/// use std::time::{Duration, Instant};
/// use switchboard_process::Supervisor;
///
/// let mut workers = Supervisor::<u64>::new(2, Duration::from_millis(1));
/// let mut reports = Vec::new();
/// // Each worker ends at once, and is replaced.
/// while reports.len() < 4 || !(reports.contains(&0) && reports.contains(&1)) {
///     while let Some(index) = workers.due() {
///         workers.start(index, || (), || Ok(index as u64))?;
///     }
///     // A program would wait for SIGCHLD instead.
///     std::thread::sleep(Duration::from_millis(1));
///     reports.extend(workers.reap().into_iter().filter_map(|worker| worker.value));
/// }
/// workers.end(Duration::from_secs(1))?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Supervisor<T> {
    workers: Calls<usize, T>,
    states: Vec<State>,
    pause: Duration,
}

/// The state of one worker.
#[derive(Clone, Copy, Debug)]
enum State {
    /// A process that was started at this time.
    Running { since: Instant },
    /// No process; one is due to be started at this time.
    Vacant { until: Instant },
}

impl<T: Serialize + DeserializeOwned> Supervisor<T> {
    /// Returns a supervisor of `workers` workers, numbered from 0, none of which is started yet.
    /// Two starts of one worker are at least `pause` apart, so that a worker which ends as soon as
    /// it is started does not keep the supervisor forking.
    pub fn new(workers: usize, pause: Duration) -> Supervisor<T> {
        Supervisor {
            workers: Calls::new(),
            states: vec![
                State::Vacant {
                    until: Instant::now()
                };
                workers
            ],
            pause,
        }
    }

    /// Returns when the next worker is due to be started; `None` while all run.
    pub fn next_start(&self) -> Option<Instant> {
        let vacant = self.states.iter().filter_map(|state| match state {
            State::Vacant { until } => Some(*until),
            State::Running { .. } => None,
        });
        vacant.min()
    }

    /// Returns a worker that is to be started now.
    pub fn due(&self) -> Option<usize> {
        let now = Instant::now();
        let due = |state: &State| matches!(state, State::Vacant { until } if *until <= now);
        self.states.iter().position(due)
    }

    /// Starts a worker that does not run, as [`Calls::start`] does.
    ///
    /// # Errors
    /// Those of [`Calls::start`]; the worker is due again after the pause.
    pub fn start(
        &mut self,
        worker: usize,
        setup: impl FnOnce(),
        function: impl FnOnce() -> Result<T, i32>,
    ) -> io::Result<()> {
        let since = Instant::now();
        let started = self.workers.start(worker, setup, function);
        self.states[worker] = match started {
            Ok(()) => State::Running { since },
            Err(_) => State::Vacant {
                until: since + self.pause,
            },
        };
        started
    }

    /// Returns the workers that have ended; each is due to be started again. Never blocks. A report longer
    /// than the buffer of a pipe needs several calls, and no SIGCHLD comes before the last, as
    /// [`Calls::reap`] describes.
    pub fn reap(&mut self) -> Vec<Finished<usize, T>> {
        let finished = self.workers.reap();
        for worker in &finished {
            if let State::Running { since } = self.states[worker.key] {
                let until = since + self.pause;
                self.states[worker.key] = State::Vacant { until };
            }
        }
        finished
    }

    /// Sends a signal to each worker that runs, given by number.
    pub fn signal(&self, signal: i32) {
        self.workers.signal(signal);
    }

    /// Asks all workers to end with SIGTERM, kills those that still run after `limit`, and returns
    /// what all reported. Blocks until the last has ended.
    ///
    /// # Errors
    /// Those of [`Calls::wait`]; the workers that are left run on.
    pub fn end(self, limit: Duration) -> io::Result<Vec<Finished<usize, T>>> {
        self.end_within(limit, || None)
    }

    /// Ends the workers as [`end`](Supervisor::end) does, and calls `shorten` at least every 100 ms
    /// and after each signal. What `shorten` returns is the time that the workers have left, unless
    /// they had less.
    ///
    /// # Errors
    /// Those of [`Calls::wait`]; the workers that are left run on.
    pub fn end_within(
        mut self,
        mut limit: Duration,
        mut shorten: impl FnMut() -> Option<Duration>,
    ) -> io::Result<Vec<Finished<usize, T>>> {
        let start = Instant::now();
        let mut finished = Vec::new();
        while !self.workers.is_empty() {
            if let Some(left) = shorten() {
                limit = limit.min(start.elapsed() + left);
            }
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                finished.extend(self.workers.kill());
                break;
            }
            self.workers.terminate();
            // A worker is looked at itself too, since a child of its own may keep its pipe open.
            finished.extend(self.workers.reap());
            finished.extend(self.workers.wait(Some(left.min(ASK_AGAIN)))?);
        }
        Ok(finished)
    }
}
