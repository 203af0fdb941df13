//! Workers as threads, and the one worker of a process.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use switchboard_net::{Listener, Stream};
use switchboard_process::terminate_with_parent;
use switchboard_runtime::{self as runtime, Dispatch, Event, Loop, Model, race};

use tracing::info_span;

use crate::counts::Report;
use crate::listing::Listing;
use crate::observer::Observer;
use crate::output::HandlerOutput;
use crate::settings::Settings;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::stop::Stop;
use crate::triggers::{StopTriggers, notice_drain};
use crate::{dispatch, processes};

/// How long threads whose connections were cut may take to end.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Runs the workers on threads of their own, while this one waits for what stops the server.
pub(crate) fn run<H, F>(mut setup: Setup, observer: Observer, handler: H) -> io::Result<Report>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    let triggers = StopTriggers::new(
        &setup.settings,
        &setup.stop,
        setup.supervised.as_ref(),
        &mut setup.caught,
    )?;
    if let Some(supervised) = &setup.supervised {
        // The signal of the parent's end is caught from here on.
        terminate_with_parent(supervised.by);
    }
    if setup.settings.model.dispatch() == Dispatch::Process {
        return processes::accept_and_fork(setup, observer, handler, &triggers);
    }
    let listing = Listing::new(&setup.settings, &observer, &mut setup.caught);
    let mut threads = Threads::default();
    let started = threads.start(&setup, &observer, handler);
    // The workers that run already end too.
    started.inspect_err(|_| setup.stop.stop())?;
    triggers.manager.ready();
    let watch = threads.watch(setup, &triggers);
    Model::Threads.run(race(watch, listing.answer()))??;
    threads.join()
}

/// The workers of a server that run on threads.
#[derive(Default)]
struct Threads {
    threads: Vec<JoinHandle<io::Result<()>>>,
    shared: Vec<Arc<Shared>>,
    ended: Ended,
}

impl Threads {
    fn start<H, F>(&mut self, setup: &Setup, observer: &Observer, handler: H) -> io::Result<()>
    where
        H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        for (index, listener) in setup.listeners.iter().enumerate() {
            let worker = Worker {
                settings: setup.settings.clone(),
                stop: setup.stop.clone(),
                listener: listener.clone(),
                shared: Shared::new(setup, index),
            };
            observer.add(&worker.shared);
            self.shared.push(worker.shared.clone());
            let (handler, ended) = (handler.clone(), self.ended.clone());
            let span = info_span!(target: "switchboard", "worker", index);
            let thread = std::thread::Builder::new().name(format!("worker {index}"));
            self.threads.push(thread.spawn(move || {
                let _ended = ended.guard();
                span.in_scope(|| worker.run(handler))
            })?);
        }
        Ok(())
    }

    /// Waits for what stops the server, and until the workers have ended or the time to drain is over.
    async fn watch(&self, mut setup: Setup, triggers: &StopTriggers) -> io::Result<()> {
        // A worker that fails ends the server too.
        race(triggers.wait(), self.ended.wait(1)).await?;
        let start = Instant::now();
        setup.stop.stop();
        // On this thread, because a worker may be busy with a client.
        setup.close();
        let open = self.shared.iter().map(|shared| shared.permits.taken());
        notice_drain(&setup.settings, setup.supervised.as_ref(), open.sum());
        let all = self.threads.len();
        let drained = async {
            let ended = runtime::timeout(setup.settings.drain, self.ended.wait(all));
            ended.await.is_ok()
        };
        let cut = async {
            // Without the signals, a server ends all the same.
            let _ = triggers.wait_for_cut(start).await;
            false
        };
        if !race(drained, cut).await {
            self.shared.iter().for_each(|shared| shared.cut());
            let _ = runtime::timeout(LAST_CALL, self.ended.wait(all)).await;
        }
        Ok(())
    }

    /// Joins the threads that have ended, and adds up their reports.
    fn join(self) -> io::Result<Report> {
        let all = self.ended.count() == self.threads.len();
        let mut report = Report::default();
        for (thread, shared) in self.threads.into_iter().zip(self.shared) {
            // A thread that is stuck in its handler is left to the end of the process.
            let has_ended = all || thread.is_finished();
            if has_ended {
                let panicked = |_| Err(io::Error::other("a worker panicked"));
                thread.join().unwrap_or_else(panicked)?;
            }
            report.add(shared.report());
            if !has_ended && shared.model.has_loop() {
                // Its loop has not dropped them yet. Those of other models were counted as they were cut.
                report.cut += shared.permits.taken() as u64;
            }
        }
        Ok(report)
    }
}

struct Worker {
    settings: Settings,
    stop: Stop,
    listener: Listener,
    shared: Arc<Shared>,
}

impl Worker {
    fn run<H, F>(self, handler: H) -> io::Result<()>
    where
        H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        let Settings {
            model,
            driver,
            drain,
            hooks,
            observed,
            ..
        } = self.settings;
        let stop = &self.stop;
        let work = dispatch::serve(self.shared.clone(), self.listener, handler, stop);
        if !model.has_loop() {
            return model.run(work)?;
        }
        let lp = Loop::new(driver)?;
        lp.set_hooks(hooks);
        let drained = async {
            stop.wait().await;
            race(runtime::sleep(drain), stop.wait_for_cut()).await;
            Ok(())
        };
        let lag = async {
            match observed {
                true => self.shared.lag.sample().await,
                false => std::future::pending().await,
            }
        };
        // Tasks that are left are dropped with the loop, and their connections with them.
        model.run_on(&lp, race(race(work, drained), lag))?
    }
}

/// A count of the workers that have ended.
#[derive(Clone, Default)]
struct Ended(Arc<(Mutex<usize>, Event)>);

/// Counts a worker as ended when it is dropped.
struct EndedGuard(Ended);

impl Ended {
    fn guard(self) -> EndedGuard {
        EndedGuard(self)
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        *self.lock()
    }

    /// Waits until at least `count` workers have ended.
    async fn wait(&self, count: usize) -> io::Result<()> {
        let event = &self.0.1;
        while self.count() < count {
            event.clear();
            if self.count() < count {
                event.wait().await;
            }
        }
        Ok(())
    }
}

impl Drop for EndedGuard {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.0.1.set();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;
    use std::sync::Barrier;

    use super::*;
    use crate::Server;

    #[test]
    fn connections_of_a_loop_that_is_stuck_are_counted_as_cut() {
        let server = Server::new().model(Model::Tasks);
        let server = server.bind("127.0.0.1:0").unwrap();
        let (addr, stop) = (server.local_addr().to_string(), server.stop_handle());
        let client = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stop.stop_now();
            stream
        });
        let gate = Arc::new(Barrier::new(2));
        let held = gate.clone();
        let report = server.serve(move |stream| {
            let held = held.clone();
            async move {
                stream.write_all(b"!").await?;
                held.wait();
                io::Result::Ok(())
            }
        });
        let report = report.unwrap();
        gate.wait();
        assert_eq!((report.accepted, report.cut), (1, 1));
        drop(client.join().unwrap());
    }
}
