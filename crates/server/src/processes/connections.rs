//! A process for each connection.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM, SIGUSR1};
use switchboard_net::Stream;
use switchboard_process::{
    Children, ExitStatus, PANICKED, Reaped, check_single_thread, default_signals, fork_with_setup,
    ignore_signals, kill_with_parent,
};
use switchboard_reactor::Ending;
use switchboard_runtime::{self as runtime, Event, Model, race};

use crate::accept::{Headers, NewConnection, accept_loop};
use crate::caught::Signals;
use crate::connection::{End, connection, isolated};
use crate::counts::{Report, add};
use crate::listing::Listing;
use crate::observer::Observer;
use crate::output::HandlerOutput;
use crate::setup::Setup;
use crate::shared::{Permit, Shared};
use crate::stop::{Stop, StopReader, StopWriter, stop_pipe};
use crate::triggers::{StopTriggers, notice_drain};

/// The exit statuses of a process that has told its hooks how its connection ended. Its handler may end the
/// process with a status of its own; then this process tells the hooks.
const TOLD_FINISHED: i32 = 210;
const TOLD_FAILED: i32 = 211;
const TOLD_PANICKED: i32 = 212;

/// Accepts connections on this thread, which must be the only one, and forks a process for each.
/// Blocks until one of `triggers` stops the server and all connections have ended or were cut.
pub(crate) fn accept_and_fork<H, F>(
    mut setup: Setup,
    observer: Observer,
    handler: H,
    triggers: &StopTriggers,
) -> io::Result<Report>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    // Refused now, because later each fork would fail and with it each connection.
    check_single_thread()?;
    let (server, writer) = stop_pipe()?;
    let connections = Connections {
        shared: Shared::new(&setup, 0),
        children: RefCell::default(),
        headers: Headers::default(),
        stop: setup.stop.clone(),
        server,
        writer: Cell::new(Some(writer)),
        changes: triggers.manager.signals(),
    };
    observer.add(&connections.shared);
    let child_ended = Signals::new(&[SIGCHLD])?;
    let listing = Listing::new(&setup.settings, &observer, &mut setup.caught);
    triggers.manager.ready();
    let (listener, shared) = (setup.listeners[0].clone(), &connections.shared);
    let (stopped, all_accepted) = (Event::new(), Event::new());
    let accepting = async {
        let halt = async {
            drop(triggers.wait().await);
            stopped.set();
        };
        let start = |new| connections.start(&handler, new);
        accept_loop(shared, &listener, &connections.headers, halt, start).await?;
        drop(listener);
        stopped.set();
        all_accepted.set();
        pending().await
    };
    let reaping = async {
        loop {
            child_ended.wait().await?;
            connections.reap();
        }
    };
    let draining = async {
        stopped.wait().await;
        connections.drain(&mut setup, triggers, &all_accepted).await
    };
    let serving = race(race(accepting, reaping), draining);
    Model::Processes.run(race(serving, listing.answer()))??;
    Ok(connections.shared.report())
}

/// The connections of a server, each in a process of its own.
struct Connections {
    shared: Arc<Shared>,
    children: RefCell<Children<Permit>>,
    headers: Headers,
    stop: Stop,
    /// The pipe whose end stops the handlers in the processes.
    server: StopReader,
    writer: Cell<Option<StopWriter>>,
    /// The signals that change the server.
    changes: &'static [i32],
}

impl Connections {
    /// Stops the handlers, and waits until all connections have ended or are cut, and `all_accepted` is set.
    async fn drain(
        &self,
        setup: &mut Setup,
        triggers: &StopTriggers,
        all_accepted: &Event,
    ) -> io::Result<()> {
        drop(self.writer.take());
        let start = Instant::now();
        setup.close();
        self.reap();
        let (settings, permits) = (&setup.settings, &self.shared.permits);
        notice_drain(settings, setup.supervised.as_ref(), permits.taken());
        let all_ended = async {
            all_accepted.wait().await;
            permits.below(1).await;
        };
        let drained = async { runtime::timeout(settings.drain, all_ended).await.is_ok() };
        let cut = async {
            // Without the signals, a server ends all the same.
            let _ = triggers.wait_for_cut(start).await;
            false
        };
        match race(drained, cut).await {
            true => Ok(()),
            false => self.cut(),
        }
    }

    /// Forks the process of a connection.
    fn start<H, F>(&self, handler: &H, new: NewConnection)
    where
        H: Fn(Stream) -> F,
        F: Future<Output: HandlerOutput>,
    {
        let server = std::process::id();
        let signals = || {
            default_signals(&[SIGCHLD]);
            // A terminal and a service manager send these to every process of the group, but the
            // server drains. It ends this process by SIGKILL, or by ending itself.
            ignore_signals(&[SIGINT, SIGTERM, SIGUSR1]);
            ignore_signals(self.changes);
        };
        let NewConnection {
            stream,
            admission,
            span,
        } = new;
        let forked = fork_with_setup(signals, || {
            kill_with_parent(server);
            drop(self.writer.take());
            self.headers.close();
            self.stop.follow(&self.server);
            let admission = admission.in_child();
            let run = span.around(async { connection(handler, stream, admission).await });
            match Model::Processes.run(isolated(run)) {
                Ok(End::Fine) => TOLD_FINISHED,
                Ok(End::Panicked) => TOLD_PANICKED,
                // A connection that could not be run was dropped, which tells the hooks too.
                Ok(End::Failed) | Err(_) => TOLD_FAILED,
            }
        });
        match forked {
            Ok(child) => self.children.borrow_mut().push(child, admission.start()),
            Err(error) => self.shared.hooks.notice(&format_args!(
                "cannot start a process for a connection: {error}; it is closed"
            )),
        }
    }

    /// Reaps the processes that have ended. Never blocks.
    fn reap(&self) {
        let reaped = self.children.borrow_mut().reap();
        reaped.into_iter().for_each(|ended| self.count(ended));
    }

    /// Counts a connection whose process has ended, and tells the hooks if the process did not.
    fn count(&self, ended: Reaped<Permit>) {
        let (counts, mut permit) = (&self.shared.counts, ended.value);
        match ended.status {
            Ok(ExitStatus::Exited(TOLD_FINISHED)) => {}
            Ok(ExitStatus::Exited(TOLD_FAILED)) => add(&counts.failed),
            Ok(ExitStatus::Exited(TOLD_PANICKED)) => add(&counts.panicked),
            Ok(ExitStatus::Exited(0)) => permit.close(Ending::Finished),
            Ok(ExitStatus::Exited(PANICKED)) => permit.close(Ending::Panicked),
            Ok(status) => {
                let error = io::Error::other(format!("its process {status}"));
                permit.close(Ending::Failed(&error));
            }
            Err(error) => permit.close(Ending::Failed(&error)),
        }
    }

    /// Closes the connections that have no process yet, kills the processes of the others, and reaps them.
    ///
    /// # Errors
    /// The first of reaping them. All connections are counted and closed all the same.
    fn cut(&self) -> io::Result<()> {
        self.headers.close();
        self.reap();
        let killed = self.children.borrow_mut().kill();
        let mut outcome = Ok(());
        for mut ended in killed {
            match ended.status {
                // The process ended by itself after it was looked at.
                Ok(ExitStatus::Exited(_)) => {
                    self.count(ended);
                    continue;
                }
                Ok(ExitStatus::Killed(_)) => {}
                Err(error) => outcome = outcome.and(Err(error)),
            }
            ended.value.close(Ending::Cut);
        }
        outcome
    }
}
