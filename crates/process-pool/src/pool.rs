//! The pool, as its users see it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_runtime::process::Child;
use switchboard_runtime::{self as runtime, Receiver, Sender};

use crate::error::PoolError;
use crate::frame;
use crate::jobs::Jobs;
use crate::lease::{Lease, Slot};
use crate::nursery::{self, Hello};

/// Worker processes that run [`Jobs`]. A clone is the same pool, for flows of any model, on any loop or
/// thread.
///
/// Dropping the last clone ends the workers, and blocks until they have ended: a few milliseconds. They
/// end with the pool's process too, however that ends (on Linux; elsewhere one that computes goes on
/// until its job is done).
///
/// A process that was forked from the pool's has no use of it: jobs are refused there.
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
///     // Too long: its worker is ended, and the next job has another.
///     let long = pool.run::<u64, _>("sleep", &60_000);
///     assert!(runtime::timeout(Duration::from_millis(50), long).await.is_err());
///     let slept: u64 = pool.run("sleep", &1).await?;
///     assert_eq!((slept, pool.stats().replaced), (1, 1));
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct ProcessPool(Arc<Inner>);

/// How a [`ProcessPool`] fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Jobs that wait for a worker.
    pub queued: usize,
    /// Workers that have a job, or are being replaced for one.
    pub busy: usize,
    /// Workers in all.
    pub workers: usize,
    /// Workers that died or were ended, and were replaced.
    pub replaced: u64,
}

pub(crate) struct Inner {
    /// The process that started the pool.
    owner: u32,
    nursery: Child,
    control: UnixStream,
    workers: usize,
    names: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Empty while somebody waits.
    idle: Vec<Slot>,
    waiting: VecDeque<Sender<Lease>>,
    /// Where the line is looked through for those who left it.
    sweep: usize,
    replaced: u64,
}

impl ProcessPool {
    /// Starts `workers` processes for `jobs`; blocks until they run.
    ///
    /// They are forked and begin with what this process has then, its open descriptors too: start the
    /// pool first of all, before sockets are opened and memory is filled.
    ///
    /// # Errors
    /// `Unsupported` once this process has several threads; `InvalidInput` for no workers; the
    /// system's if there is no room for a process.
    pub fn start(workers: usize, jobs: Jobs) -> io::Result<ProcessPool> {
        if workers == 0 {
            let text = "a process pool of no workers runs no job: ask for at least one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (here, there) = UnixStream::pair()?;
        let (nursery, control) = nursery::start(here, there, &jobs).map_err(|error| {
            let text = format!("cannot start a process pool: {error}");
            io::Error::new(error.kind(), text)
        })?;
        let pool = Arc::new(Inner {
            owner: std::process::id(),
            nursery,
            control,
            workers,
            names: jobs.names(),
            state: Mutex::default(),
        });
        for _ in 0..workers {
            let mut socket = pool.ask(None)?;
            let mut hello = [0; Hello::LENGTH];
            let length = socket.read(&mut hello)?;
            let pid = Hello::parse(&hello[..length])?.worker?;
            let slot = Slot::Idle(socket.into(), pid);
            pool.lock().idle.push(slot);
        }
        Ok(ProcessPool(pool))
    }

    /// Runs the job `name` in a worker and gives its result; waits in line while all are busy, first
    /// come, first served. The arguments are written as JSON by the call, at most 64 MiB; the result is
    /// no larger either.
    ///
    /// A job had better not fork: a child that lives on keeps the worker's socket open, and the worker's end
    /// is not seen before the child's.
    ///
    /// Dropped while the job runs, it ends the job's worker, and another takes its place. Dropped
    /// before, it leaves nothing behind. A job whose worker dies is not run again.
    ///
    /// # Errors
    /// See [`PoolError`]. In a process that was forked from the pool's, `Io` of kind `Unsupported`.
    pub fn run<'a, R, A>(
        &'a self,
        name: &str,
        arguments: &A,
    ) -> impl Future<Output = Result<R, PoolError>> + use<'a, R, A>
    where
        R: DeserializeOwned,
        A: Serialize + ?Sized,
    {
        let frame = self.0.frame(name, arguments);
        async move {
            let frame = frame?;
            let lease = match self.0.take() {
                Ok(lease) => lease,
                Err(waiting) => match waiting.recv().await {
                    Ok(lease) => lease,
                    Err(_) => unreachable!("who leaves the line has a lease, or has gone"),
                },
            };
            let (kind, body) = lease.run(&frame).await?;
            let text = || String::from_utf8_lossy(&body).into_owned();
            match kind {
                frame::FAILED => Err(PoolError::Failed(text())),
                frame::PANICKED => Err(PoolError::Panicked(text())),
                frame::ARGUMENTS => Err(PoolError::Arguments(text())),
                frame::RESULT => Err(PoolError::Result(text())),
                _ => serde_json::from_slice(&body)
                    .map_err(|error| PoolError::Result(error.to_string())),
            }
        }
    }

    /// How the pool fares now. Never blocks.
    pub fn stats(&self) -> PoolStats {
        let state = self.0.lock();
        let here = state.waiting.iter().filter(|waiting| !waiting.is_closed());
        PoolStats {
            queued: here.count(),
            busy: self.0.workers - state.idle.len(),
            workers: self.0.workers,
            replaced: state.replaced,
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_owner(&self) -> io::Result<()> {
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

    fn frame(
        &self,
        name: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<Vec<u8>, PoolError> {
        self.check_owner()?;
        match self.names.iter().position(|known| known == name) {
            Some(job) => frame::json(job as u32, arguments).map_err(PoolError::Arguments),
            None => Err(PoolError::Unknown {
                name: name.to_owned(),
                known: self.names.clone(),
            }),
        }
    }

    /// Asks the nursery for a worker, in the place of the one that is `replaced`; gives the socket
    /// through which it will say hello. Never blocks.
    pub(crate) fn ask(&self, replaced: Option<i32>) -> io::Result<UnixStream> {
        self.check_owner()?;
        let (here, there) = UnixStream::pair()?;
        nursery::ask(&self.control, replaced.unwrap_or(0), &there).map_err(|error| match error
            .kind()
        {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                let text = "the process that starts the pool's workers is gone: start another pool";
                io::Error::new(io::ErrorKind::BrokenPipe, text)
            }
            _ => error,
        })?;
        self.lock().replaced += u64::from(replaced.is_some());
        Ok(here)
    }

    /// A worker, or a place in the line.
    fn take(self: &Arc<Self>) -> Result<Lease, Receiver<Lease>> {
        let mut state = self.lock();
        match state.idle.pop() {
            Some(slot) => Ok(Lease::new(self.clone(), slot)),
            None => {
                if state.waiting.len() >= state.sweep {
                    state.waiting.retain(|waiting| !waiting.is_closed());
                    state.sweep = 16 + 2 * state.waiting.len();
                }
                let (sender, receiver) = runtime::channel(1);
                state.waiting.push_back(sender);
                Err(receiver)
            }
        }
    }

    /// Hands a slot to the first in line.
    pub(crate) fn give_back(self: &Arc<Self>, slot: Slot) {
        let mut state = self.lock();
        while state.waiting.front().is_some_and(Sender::is_closed) {
            state.waiting.pop_front();
        }
        match state.waiting.pop_front() {
            Some(next) => {
                // A lease that finds nobody is dropped, and comes here again.
                drop(state);
                let _ = next.try_send(Lease::new(self.clone(), slot));
            }
            // The next job is for a worker that runs, if one does.
            None if matches!(slot, Slot::Idle(..)) => state.idle.push(slot),
            None => state.idle.insert(0, slot),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // In a forked child, it is not for it to end.
        if std::process::id() == self.owner {
            let _ = self.control.shutdown(Shutdown::Both);
            let _ = self.nursery.wait();
        }
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessPool({:?}, {:?})", self.0.names, self.stats())
    }
}
