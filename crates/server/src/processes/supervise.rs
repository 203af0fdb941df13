//! Worker processes that are forked before the first connection, and the supervisor that replaces
//! those that die.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGUSR1};
use switchboard_process::Supervisor;
use switchboard_runtime::{self as runtime, Model, race};

use super::FAILED;
use crate::caught::{Caught, Signals};
use crate::counts::Report;
use crate::listing::Listing;
use crate::manager::Change;
use crate::observer::Observer;
use crate::settings::Workers;
use crate::setup::Setup;
use crate::triggers::{StopTriggers, Supervised};

/// The shortest time between two starts of one worker.
const PAUSE: Duration = Duration::from_millis(500);

/// The time after the drain limit in which workers may end before they are killed.
const GRACE: Duration = Duration::from_secs(2);

/// Forks the workers, which `run` with the handler, and replaces those that die. Blocks until the server
/// is to end, and then until all workers have ended; returns the sum of what they report.
pub(crate) fn supervise<H, R>(mut setup: Setup, handler: H, run: R) -> io::Result<Report>
where
    H: Clone,
    R: Fn(Setup, H) -> io::Result<Report>,
{
    let (cut, workers_cut) = UnixStream::pair()?;
    let events = Events {
        triggers: StopTriggers::new(&setup.settings, &setup.stop, None, &mut setup.caught)?,
        child_ended: Signals::new(&[SIGCHLD])?,
        listing: Listing::new(&setup.settings, &Observer::default(), &mut setup.caught),
        cut,
    };
    let mut supervision = Supervision {
        workers: Supervisor::new(setup.listeners.len(), PAUSE),
        events: Some(events),
        cut: Arc::new(workers_cut),
        report: Report::default(),
        setup,
        handler,
        run,
    };
    let outcome = supervision.start_all();
    let outcome = outcome.and_then(|()| supervision.replace_until_stopped());
    let report = supervision.end();
    outcome.and(report)
}

/// The events that the supervisor waits for.
struct Events {
    triggers: StopTriggers,
    child_ended: Signals,
    listing: Listing,
    /// Written to once, to make the workers cut their connections.
    cut: UnixStream,
}

/// The reason why the supervisor stopped waiting.
enum Wakeup {
    /// The server is to end.
    Stop,
    /// A worker may have ended, or is due to be started.
    CheckWorkers,
    /// The workers are to list their connections.
    List,
    /// The workers are to read again what this process has read.
    Reload,
}

impl Events {
    /// Waits for an event, until `next_start` at the longest.
    async fn wait(&self, next_start: Option<Instant>) -> io::Result<Wakeup> {
        let stop = async {
            Ok(match self.triggers.next().await? {
                Change::Reloaded => Wakeup::Reload,
                Change::HandedOver | Change::Stopped => Wakeup::Stop,
            })
        };
        let ended = async {
            let ended = self.child_ended.wait().await;
            ended.map(|()| Wakeup::CheckWorkers)
        };
        let due = async {
            match next_start {
                Some(at) => runtime::sleep(at.saturating_duration_since(Instant::now())).await,
                None => std::future::pending().await,
            }
            Ok(Wakeup::CheckWorkers)
        };
        let asked = async { self.listing.asked().await.map(|()| Wakeup::List) };
        race(stop, race(asked, race(ended, due))).await
    }
}

/// A server whose connections are held by supervised processes.
struct Supervision<H, R> {
    setup: Setup,
    handler: H,
    run: R,
    workers: Supervisor<Report>,
    /// Missing in the workers, which drop it: a signal that is caught there must not wake the
    /// supervisor.
    events: Option<Events>,
    /// The workers' end of [`Events::cut`].
    cut: Arc<UnixStream>,
    /// The sum of the reports of the workers that have ended.
    report: Report,
}

impl<H, R> Supervision<H, R>
where
    H: Clone,
    R: Fn(Setup, H) -> io::Result<Report>,
{
    fn start_all(&mut self) -> io::Result<()> {
        (0..self.setup.listeners.len()).try_for_each(|index| self.start(index))
    }

    /// Forks a worker, which serves one listener on one thread.
    fn start(&mut self, index: usize) -> io::Result<()> {
        let (setup, handler, run) = (&self.setup, &self.handler, &self.run);
        let supervised = Supervised {
            by: std::process::id(),
            index,
            signals: setup.settings.signals,
            cut: self.cut.clone(),
        };
        let events = &mut self.events;
        // Caught from the first instruction on: a reload that the worker missed would not come again.
        let caught = RefCell::new(None);
        let replace_signals = || {
            drop(events.take());
            caught.replace(Some(Caught::of_worker(&setup.settings)));
        };
        let work = || {
            let caught = caught.take().transpose().map_err(|_| FAILED)?;
            let worker = worker(setup, supervised, caught.unwrap_or_default());
            run(worker, handler.clone()).map_err(|error| {
                let hooks = &setup.settings.hooks;
                hooks.notice(&format_args!("worker {index}: {error}"));
                FAILED
            })
        };
        self.workers.start(index, replace_signals, work)
    }

    /// Starts a new worker for each that dies, until the server is to end.
    fn replace_until_stopped(&mut self) -> io::Result<()> {
        if let Some(events) = &self.events {
            events.triggers.manager.ready();
        }
        loop {
            let Some(events) = &self.events else {
                unreachable!("only a worker drops the events")
            };
            let event = events.wait(self.workers.next_start());
            match Model::Threads.run(event)?? {
                Wakeup::Stop => return Ok(()),
                Wakeup::CheckWorkers => self.check_workers()?,
                Wakeup::List => self.workers.signal(SIGUSR1),
                Wakeup::Reload => self.workers.signal(SIGHUP),
            }
        }
    }

    /// Reaps the workers that have died, and starts those that are due. Does not wait for anything.
    fn check_workers(&mut self) -> io::Result<()> {
        for worker in self.workers.reap() {
            self.report.replaced += 1;
            self.report.add(worker.value.unwrap_or_default());
            self.notice(format_args!(
                "worker {} (process {}) died: it {}; starting another",
                worker.key, worker.pid, worker.status?
            ));
        }
        while let Some(index) = self.workers.due() {
            if let Err(error) = self.start(index) {
                self.notice(format_args!(
                    "cannot start worker {index}: {error}; trying again"
                ));
            }
        }
        Ok(())
    }

    /// Refuses further connections, lets the workers drain, and returns the sum of what all workers
    /// report.
    fn end(mut self) -> io::Result<Report> {
        self.setup.close();
        let limit = self.setup.settings.drain.saturating_add(GRACE);
        let start = Instant::now();
        let mut events = self.events.take();
        let shorten = || {
            let due = |events: &mut Events| events.triggers.is_cut(start).unwrap_or(true);
            let mut events = events.take_if(due)?;
            // A worker that cannot be told is killed after the grace.
            let _ = events.cut.write(&[0]);
            Some(GRACE)
        };
        for worker in self.workers.end_within(limit, shorten)? {
            self.report.add(worker.value.unwrap_or_default());
        }
        Ok(self.report)
    }

    fn notice(&self, text: std::fmt::Arguments<'_>) {
        self.setup.settings.hooks.notice(&text);
    }
}

/// Returns what a worker process runs with: one thread on the listener of its index, which ends when the
/// supervisor asks it to.
fn worker(setup: &Setup, supervised: Supervised, caught: Caught) -> Setup {
    let mut settings = setup.settings.clone();
    settings.workers = Workers::Threads(1);
    settings.signals = true;
    settings.until_eof = false;
    Setup {
        settings,
        listeners: vec![setup.listeners[supervised.index].clone()],
        addr: setup.addr.clone(),
        capacity: setup.capacity.clone(),
        // The handler's clones of the handle are those of the worker now.
        stop: setup.stop.clone(),
        caught,
        handler: setup.handler,
        supervised: Some(supervised),
        stays: setup.stays,
        registered: None,
    }
}
