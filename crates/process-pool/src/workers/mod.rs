//! The workers of a pool, and the queue of jobs that wait for one.

mod borrowed;

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_net::Stream;
use switchboard_process::frame::FrameReader;
use switchboard_runtime::{self as runtime, Receiver, Sender};

use crate::fork_server::{ForkServer, Started};
use crate::jobs::Jobs;
use crate::messages::STARTED;

pub(crate) use borrowed::BorrowedWorker;

/// The workers of a pool, which are borrowed for one job at a time, first come, first served. They
/// end when this is dropped.
pub(crate) struct Workers {
    /// The process that started the pool.
    owner: u32,
    fork_server: ForkServer,
    count: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The workers that nobody has borrowed; empty while a job waits.
    free: Vec<Worker>,
    waiting: VecDeque<Sender<BorrowedWorker>>,
    /// The length of the queue at which those that have left it are removed.
    prune_at: usize,
    replaced: u64,
}

/// One worker, which has at most one request at the fork server.
enum Worker {
    /// A worker without a process, or with one that is to be replaced.
    Vacant { replaces: Option<u64> },
    /// A process that was requested, and whose [`Started`] is being read.
    Starting { stream: Stream, reader: FrameReader },
    /// A process that waits for a job.
    Idle { stream: Stream, number: u64 },
    /// A process that was sent a job, or a part of one.
    Busy { number: u64 },
}

/// The state of a [`ProcessPool`](crate::ProcessPool) at one moment.
///
/// ```standalone_crate
/// use switchboard_process_pool::{Jobs, PoolStats, ProcessPool};
///
/// let pool = ProcessPool::start(2, Jobs::new())?;
/// let idle = PoolStats { queued: 0, busy: 0, workers: 2, replaced: 0 };
/// assert_eq!(pool.stats(), idle);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Jobs that wait for a worker.
    pub queued: usize,
    /// Workers that have a job, or are being replaced for one.
    pub busy: usize,
    /// All workers.
    pub workers: usize,
    /// Workers that died or were killed, and were replaced, since the pool was started.
    pub replaced: u64,
}

impl Workers {
    /// Starts the fork server and `count` workers. Blocks until they run.
    pub(crate) fn start(count: usize, jobs: &Jobs) -> io::Result<Workers> {
        let fork_server = ForkServer::start(jobs).map_err(|error| {
            let text = format!("cannot start a process pool: {error}");
            io::Error::new(error.kind(), text)
        })?;
        let workers = Workers {
            owner: std::process::id(),
            fork_server,
            count,
            state: Mutex::default(),
        };
        for _ in 0..count {
            let socket = workers.request(None)?;
            let number = Started::from_frame(STARTED.read(&socket))?.worker()?;
            let stream = socket.into();
            workers.lock().free.push(Worker::Idle { stream, number });
        }
        Ok(workers)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an error of kind `Unsupported` in a process that was forked from the pool's.
    pub(crate) fn check_owner(&self) -> io::Result<()> {
        let here = std::process::id();
        if here == self.owner {
            return Ok(());
        }
        let text = format!(
            "process {here} was forked from process {}, whose pool this is: start another in it, or \
             use model `threads` or `tasks`",
            self.owner
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// Requests a worker, as [`ForkServer::request`] does. Never blocks.
    fn request(&self, replaced: Option<u64>) -> io::Result<UnixStream> {
        self.check_owner()?;
        let socket = self.fork_server.request(replaced)?;
        self.lock().replaced += u64::from(replaced.is_some());
        Ok(socket)
    }

    /// Returns a free worker, or a receiver through which one comes once those before it in the
    /// queue have theirs. Dropping the receiver leaves the queue.
    pub(crate) fn borrow(self: &Arc<Self>) -> Result<BorrowedWorker, Receiver<BorrowedWorker>> {
        let mut state = self.lock();
        match state.free.pop() {
            Some(worker) => Ok(BorrowedWorker::new(self.clone(), worker)),
            None => {
                if state.waiting.len() >= state.prune_at {
                    state.waiting.retain(|waiting| !waiting.is_closed());
                    state.prune_at = 16 + 2 * state.waiting.len();
                }
                let (sender, receiver) = runtime::channel(1);
                state.waiting.push_back(sender);
                Err(receiver)
            }
        }
    }

    /// Hands a worker to the first job in the queue.
    fn give_back(self: &Arc<Self>, worker: Worker) {
        let mut state = self.lock();
        while state.waiting.front().is_some_and(Sender::is_closed) {
            state.waiting.pop_front();
        }
        match state.waiting.pop_front() {
            Some(next) => {
                // If the receiver is dropped meanwhile, so is the borrowed worker, which comes back
                // here.
                drop(state);
                let _ = next.try_send(BorrowedWorker::new(self.clone(), worker));
            }
            // The last of the list is borrowed first: a worker that runs, if there is one.
            None if matches!(worker, Worker::Idle { .. }) => state.free.push(worker),
            None => state.free.insert(0, worker),
        }
    }

    /// Returns how many workers are busy and how many jobs wait. Never blocks.
    pub(crate) fn stats(&self) -> PoolStats {
        let state = self.lock();
        let queued = state.waiting.iter().filter(|waiting| !waiting.is_closed());
        PoolStats {
            queued: queued.count(),
            busy: self.count - state.free.len(),
            workers: self.count,
            replaced: state.replaced,
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // A process that was forked from the pool's has a copy, but the pool is not its to end.
        if std::process::id() == self.owner {
            self.fork_server.end();
        }
    }
}
