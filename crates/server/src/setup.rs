//! A server that is ready to run: its settings, checked, and its listeners.

use std::io;
use std::panic::Location;

use switchboard_net::{Addr, Listener};
use switchboard_reactor::Name;
use switchboard_runtime::{Dispatch, Driver};

use crate::capacity::{self, Capacity};
use crate::caught::Caught;
use crate::counts::Count;
use crate::passed;
use crate::registry::{self, Registered};
use crate::settings::{Settings, Workers};
use crate::stop::Stop;
use crate::successor::Program;
use crate::triggers::Supervised;

/// The setup that the workers of a server run with.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    /// One for each worker.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) addr: Addr,
    /// The capacity of each worker.
    pub(crate) capacity: Capacity,
    pub(crate) stop: Stop,
    /// Taken by what the server waits for while it serves.
    pub(crate) caught: Caught,
    /// The place where the handler was given to the server.
    pub(crate) handler: Name,
    /// Present in a worker process.
    pub(crate) supervised: Option<Supervised>,
    /// Whether the sockets are left to listen at the end, because systemd has them too.
    pub(crate) stays: bool,
    /// Missing in a worker process.
    pub(crate) registered: Option<Registered>,
}

impl Setup {
    /// Returns the number among all workers of the worker that serves a listener, given by its place here.
    pub(crate) fn worker(&self, listener: usize) -> usize {
        self.supervised.as_ref().map_or(listener, |by| by.index)
    }

    /// Returns a server on `listeners`, which a process that takes over looks for under `name`.
    pub(crate) fn new(
        mut settings: Settings,
        listeners: Vec<Listener>,
        name: &str,
    ) -> io::Result<Setup> {
        if settings.model.has_loop() {
            settings.driver = available(&settings)?;
        }
        check_workers(&settings)?;
        if settings.model.dispatch() == Dispatch::PooledThread {
            settings.pool = available_threads(&settings);
        }
        if settings.managed {
            settings.program = Some(Program::this()?);
        }
        let stop = Stop::default();
        let (addr, capacity) = (listeners[0].local_addr()?, capacity::of_worker(&settings)?);
        Ok(Setup {
            addr,
            capacity,
            // Last of what may fail, because signals that are caught do not end the program.
            caught: Caught::new(&settings)?,
            registered: Some(Registered::new(name, &listeners, &stop)),
            settings,
            listeners,
            stop,
            handler: Location::caller(),
            supervised: None,
            stays: name == passed::BY_SYSTEMD,
        })
    }

    /// Checks settings as [`new`](Setup::new) does, without a notice.
    pub(crate) fn check(settings: &Settings) -> io::Result<()> {
        if settings.model.has_loop() {
            settings.driver.available()?;
        }
        check_workers(settings)?;
        capacity::of_worker(settings).map(drop)
    }

    /// Ends the listeners' queues: further clients are refused, even if another process has the sockets
    /// too. A supervised worker leaves that to its supervisor, because the worker that replaces it goes
    /// on with the same sockets; and so does a process from which another one has taken over.
    pub(crate) fn close(&mut self) {
        self.registered = None;
        let ends = self.supervised.is_none() && !self.stays && !registry::is_handed_over();
        for listener in self.listeners.drain(..) {
            if ends {
                // The socket may have been shut down before.
                let _ = listener.shutdown();
            }
        }
    }
}

/// Returns a driver that can be opened here, so that one that cannot is known before the first
/// connection.
fn available(settings: &Settings) -> io::Result<Driver> {
    let (driver, why_not) = settings.driver.available()?;
    if let Some(why_not) = why_not {
        let hooks = &settings.hooks;
        hooks.notice(&format_args!("{why_not}; going on with {driver}"));
    }
    Ok(driver)
}

/// Returns how many threads the pool of each worker has. Says so if they are fewer than were asked for.
fn available_threads(settings: &Settings) -> usize {
    let (threads, limit) = capacity::of_pool(settings);
    if let Some(limit) = limit {
        let (has, asked) = (Count(threads, "thread"), settings.pool);
        let text = format_args!("the pool has {has} instead of {asked}: {limit} allows no more");
        settings.hooks.notice(&text);
    }
    threads
}

fn check_workers(settings: &Settings) -> io::Result<()> {
    match settings.workers {
        Workers::Threads(count) if count > 1 && settings.model.dispatch() == Dispatch::Process => {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "model `processes` cannot fork from several worker threads: \
                 use one worker, worker processes, or model `threads`",
            ))
        }
        _ => Ok(()),
    }
}
