//! Workers as threads, and the one worker of a process.

use std::future::Future;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use slab::Slab;
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Event, Loop, Model, process, race};

use crate::accept::{self, Shared};
use crate::counts::{Counts, Report};
use crate::processes;
use crate::server::{Bound, Server};
use crate::watch::{Stop, Watch};

/// How long threads that were cut may take to notice.
const LAST_CALL: Duration = Duration::from_secs(1);

pub(crate) fn share(bound: &Bound) -> Arc<Shared> {
    Arc::new(Shared {
        model: bound.server.model,
        limit: bound.limit,
        why: bound.why.clone(),
        pool: bound.server.pool,
        counts: Counts::default(),
        hooks: bound.server.hooks.clone(),
        open: Mutex::new(Slab::new()),
    })
}

/// Runs the workers on threads of their own, while this one watches for what ends the server.
pub(crate) fn run<H, F>(mut bound: Bound, handler: H) -> io::Result<Report>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let watch = Watch::new(
        bound.stop.clone(),
        bound.server.signals,
        bound.server.until_eof,
    )?;
    if let Some(supervisor) = bound.supervisor {
        // Now that a signal would be heard.
        process::end_with_parent(supervisor, false);
    }
    if bound.server.model == Model::Processes {
        return processes::accept_and_fork(bound, handler, &watch);
    }
    let mut shares = Vec::new();
    let mut threads = Vec::new();
    let ended = Ended::default();
    for (index, listener) in bound.listeners.iter().enumerate() {
        let shared = share(&bound);
        shares.push(shared.clone());
        let worker = Worker {
            server: bound.server.clone(),
            stop: bound.stop.clone(),
            listener: listener.clone(),
            shared,
        };
        let (handler, ended) = (handler.clone(), ended.clone());
        let thread = std::thread::Builder::new().name(format!("worker {index}"));
        let started = thread.spawn(move || {
            let _ended = ended.guard();
            worker.run(handler)
        });
        // Those that run already end too.
        threads.push(started.inspect_err(|_| bound.stop.stop())?);
    }
    let count = threads.len();
    Model::Threads.run(async {
        // A worker that fails ends the server too.
        race(watch.wait(), ended.wait(1)).await?;
        bound.stop.stop();
        // Here, because a worker may be busy with a client.
        close(&mut bound.listeners, bound.supervisor);
        let drained = runtime::timeout(bound.server.drain, ended.wait(count)).await;
        if drained.is_err() {
            shares.iter().for_each(|shared| shared.cut());
            let _ = runtime::timeout(LAST_CALL, ended.wait(count)).await;
        }
        io::Result::Ok(())
    })??;
    let mut report = Report::default();
    for thread in threads {
        // One that is still stuck in its handler is left to the end of the process.
        if ended.count() == count || thread.is_finished() {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))?;
        }
    }
    for shared in shares {
        report.add(shared.counts.report());
    }
    Ok(report)
}

/// Ends the queues: who comes is refused, whoever else has the sockets. A supervised worker leaves that
/// to its supervisor, since whoever takes its place goes on with the same sockets.
pub(crate) fn close(listeners: &mut Vec<Listener>, supervisor: Option<u32>) {
    for listener in listeners.drain(..) {
        if supervisor.is_none() {
            // It may have ended.
            let _ = listener.shutdown();
        }
    }
}

struct Worker {
    server: Server,
    stop: Stop,
    listener: Listener,
    shared: Arc<Shared>,
}

impl Worker {
    fn run<H, F>(self, handler: H) -> io::Result<()>
    where
        H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let model = self.server.model;
        let drain = self.server.drain;
        let stop = &self.stop;
        let work = accept::worker(self.shared.clone(), self.listener, handler, stop);
        if !model.has_loop() {
            return model.run(work)?;
        }
        let lp = Loop::new(self.server.driver)?;
        lp.set_hooks(self.server.hooks);
        let result = model.run_on(
            &lp,
            race(work, async {
                stop.wait().await;
                runtime::sleep(drain).await;
                Ok(())
            }),
        )?;
        // Tasks that are left are dropped with the loop, and their connections with them.
        let left = self.shared.counts.active() as u64;
        self.shared.counts.cut.fetch_add(left, Ordering::Relaxed);
        result
    }
}

/// How many workers have ended.
#[derive(Clone, Default)]
struct Ended(Arc<(Mutex<usize>, Event)>);

struct EndedGuard(Ended);

impl Ended {
    fn guard(self) -> EndedGuard {
        EndedGuard(self)
    }

    fn count(&self) -> usize {
        *self
            .0
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn wait(&self, count: usize) -> io::Result<()> {
        while self.count() < count {
            self.0.1.clear();
            if self.count() < count {
                self.0.1.wait().await;
            }
        }
        Ok(())
    }
}

impl Drop for EndedGuard {
    fn drop(&mut self) {
        *self
            .0
            .0
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        self.0.0.1.set();
    }
}
