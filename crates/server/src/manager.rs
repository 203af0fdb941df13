//! What goes on with a server while it serves: reloads on SIGHUP, the process that takes over on SIGUSR2, and
//! what the service manager is told.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;

use signal_hook::consts::SIGHUP;
use switchboard_runtime::{Hooks, race};

use crate::caught::{Caught, Signals};
use crate::notify::{notify, reloading};
use crate::reload::Reload;
use crate::settings::Settings;
use crate::successor::{Program, Successor};
use crate::triggers::Supervised;
use crate::{passed, registry};

pub(crate) struct Manager {
    /// SIGHUP and SIGUSR2, if they mean something; `None` if neither does.
    signals: Option<Signals>,
    caught: &'static [i32],
    reload: Reload,
    hooks: Arc<dyn Hooks>,
    /// The worker of a supervisor, which tells its operator who speaks.
    worker: Option<usize>,
    /// What takes over from this process; `None` in a worker, and unless the server is managed.
    program: Option<Program>,
    successor: RefCell<Option<Successor>>,
}

/// What has happened to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Everything was read again.
    Reloaded,
    /// Another process accepts now.
    HandedOver,
    /// It is to end.
    Stopped,
}

impl Manager {
    /// Returns the manager of a server, which takes the signals that change it.
    pub(crate) fn new(
        settings: &Settings,
        supervised: Option<&Supervised>,
        caught: &mut Caught,
    ) -> Manager {
        let worker = supervised.map(|by| by.index);
        Manager {
            signals: caught.changes.take(),
            caught: caught.changing,
            reload: settings.reload.clone(),
            hooks: settings.hooks.clone(),
            worker,
            program: settings.program.clone().filter(|_| worker.is_none()),
            successor: RefCell::default(),
        }
    }

    /// Returns the signals that are caught.
    pub(crate) fn signals(&self) -> &'static [i32] {
        self.caught
    }

    /// Says that the server accepts: to the process that it takes over from, or to the service manager.
    pub(crate) fn ready(&self) {
        if self.program.is_none() {
            return;
        }
        match passed::tell_ready() {
            // The predecessor tells the service manager, which listens to it still.
            Ok(true) => {}
            Ok(false) => self.tell("READY=1"),
            Err(error) => self.notice(format_args!("cannot tell the old process: {error}")),
        }
    }

    /// Says that the server ends, unless another process goes on.
    pub(crate) fn stopping(&self) {
        if self.program.is_some() && !registry::is_handed_over() {
            self.tell("STOPPING=1");
        }
    }

    /// Waits for a change, and makes it. May be dropped and called again.
    ///
    /// # Errors
    /// The system's, of waiting for a signal.
    pub(crate) async fn change(&self) -> io::Result<Change> {
        let Some(signals) = &self.signals else {
            return std::future::pending().await;
        };
        loop {
            let signal = async { signals.next().await.map(Some) };
            let ready = async {
                self.successor_is_ready().await;
                Ok(None)
            };
            match race(signal, ready).await? {
                Some(SIGHUP) => {
                    if self.reload() {
                        return Ok(Change::Reloaded);
                    }
                }
                Some(_) => self.start_successor(),
                None => {
                    if registry::is_handed_over() {
                        return Ok(Change::HandedOver);
                    }
                }
            }
        }
    }

    /// Reads everything again; returns whether there was something and it was right.
    fn reload(&self) -> bool {
        self.tell(&reloading());
        let something = !self.reload.is_empty();
        let reloaded = self.reload.reload().map(|()| something);
        match &reloaded {
            // The supervisor of a worker says so.
            Ok(false) if self.worker.is_some() => {}
            Ok(false) => self.notice(format_args!("there is nothing to reload")),
            Ok(true) => self.notice(format_args!("reloaded")),
            Err(error) => self.notice(format_args!(
                "not reloaded, the old settings go on: {error}"
            )),
        }
        self.tell("READY=1");
        matches!(reloaded, Ok(true))
    }

    fn start_successor(&self) {
        let Some(program) = &self.program else {
            return;
        };
        let mut successor = self.successor.borrow_mut();
        if let Some(started) = &*successor {
            let id = started.id();
            return self.notice(format_args!("process {id} is about to take over already"));
        }
        self.tell(&reloading());
        match Successor::start(program) {
            Ok(started) => *successor = Some(started),
            Err(error) => self.go_on(&error),
        }
    }

    /// Waits until the process that was started is ready, and hands over to it; or until it has failed.
    async fn successor_is_ready(&self) {
        // Taken for the wait, and put back if that is dropped.
        let Some(started) = self.successor.borrow_mut().take() else {
            return std::future::pending().await;
        };
        let mut waiting = PutBack(&self.successor, Some(started));
        let Some(started) = &waiting.1 else {
            unreachable!("it was put there")
        };
        let (id, ready) = (started.id(), started.ready().await);
        let Some(started) = waiting.1.take() else {
            unreachable!("it is there still")
        };
        match ready {
            Ok(true) => {
                started.release();
                registry::hand_over();
                self.tell(&format!("MAINPID={id}\nREADY=1"));
                self.notice(format_args!("process {id} has taken over; this one drains"));
            }
            Ok(false) => {
                let ended = started.end().map(|status| status.to_string());
                let ended = ended.unwrap_or_else(|error| error.to_string());
                self.go_on(&format_args!("it has ended ({ended})"));
            }
            Err(error) => {
                drop(started);
                self.go_on(&error);
            }
        }
    }

    /// Says that no process takes over.
    fn go_on(&self, error: &dyn fmt::Display) {
        self.notice(format_args!(
            "the new process did not start, this one goes on: {error}"
        ));
        self.tell("READY=1");
    }

    /// Tells the service manager, which a worker leaves to its supervisor.
    fn tell(&self, state: &str) {
        if self.program.is_some()
            && let Err(error) = notify(state)
        {
            self.notice(format_args!("cannot tell the service manager: {error}"));
        }
    }

    fn notice(&self, text: fmt::Arguments<'_>) {
        match self.worker {
            Some(index) => self.hooks.notice(&format_args!("worker {index}: {text}")),
            None => self.hooks.notice(&text),
        }
    }
}

/// Puts a successor back where it was taken from, when it is dropped.
struct PutBack<'a>(&'a RefCell<Option<Successor>>, Option<Successor>);

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if let Some(successor) = self.1.take() {
            self.0.replace(Some(successor));
        }
    }
}
