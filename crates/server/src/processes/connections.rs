//! A process for each connection.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM, SIGUSR1};
use switchboard_net::Stream;
use switchboard_process::{
    Children, ExitStatus, PANICKED, check_single_thread, default_signals, fork_with_setup,
    ignore_signals, kill_with_parent,
};
use switchboard_reactor::Ending;
use switchboard_runtime::{self as runtime, Model, race};

use super::FAILED;
use crate::accept::{NewConnection, accept_loop};
use crate::connection::{End, connection};
use crate::counts::{Report, add};
use crate::listing::Listing;
use crate::setup::Setup;
use crate::shared::{Permit, Shared};
use crate::stop::{Signals, Stop, StopReader, StopTriggers, StopWriter, notice_drain, stop_pipe};

/// Accepts connections on this thread, which must be the only one, and forks a process for each.
/// Blocks until one of `triggers` stops the server and all connections have ended or were cut.
pub(crate) fn accept_and_fork<H, F>(
    mut setup: Setup,
    handler: H,
    triggers: &StopTriggers,
) -> io::Result<Report>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    // Refused now, because later each fork would fail and with it each connection.
    check_single_thread()?;
    let (server, writer) = stop_pipe()?;
    let connections = Connections {
        shared: Shared::new(&setup),
        children: RefCell::default(),
        stop: setup.stop.clone(),
        server,
        writer: Cell::new(Some(writer)),
    };
    let child_ended = Signals::new(&[SIGCHLD])?;
    let listing = Listing::new(&setup)?;
    let serving = async {
        let halt = async { drop(triggers.wait().await) };
        let start = |new| connections.start(&handler, new);
        let accepting = accept_loop(&connections.shared, &setup.listeners[0], halt, start);
        let reaping = async {
            loop {
                child_ended.wait().await?;
                connections.reap();
            }
        };
        race(accepting, reaping).await?;
        drop(connections.writer.take());
        let start = Instant::now();
        setup.close();
        connections.reap();
        notice_drain(&setup, connections.children.borrow().len());
        let all_ended = async {
            while !connections.children.borrow().is_empty() {
                child_ended.wait().await?;
                connections.reap();
            }
            io::Result::Ok(())
        };
        let drained = async { runtime::timeout(setup.settings.drain, all_ended).await.ok() };
        let cut = async {
            // Without the signals, a server ends all the same.
            let _ = triggers.wait_for_cut(start).await;
            None
        };
        let drained = race(drained, cut).await;
        drained.unwrap_or_else(|| connections.cut())
    };
    Model::Processes.run(race(serving, listing.answer()))??;
    Ok(connections.shared.report())
}

/// The connections of a server, each in a process of its own.
struct Connections {
    shared: Arc<Shared>,
    children: RefCell<Children<Permit>>,
    stop: Stop,
    /// The pipe whose end stops the handlers in the processes.
    server: StopReader,
    writer: Cell<Option<StopWriter>>,
}

impl Connections {
    /// Forks the process of a connection.
    fn start<H, F>(&self, handler: &H, new: NewConnection)
    where
        H: Fn(Stream) -> F,
        F: Future<Output = io::Result<()>>,
    {
        let server = std::process::id();
        let signals = || {
            default_signals(&[SIGCHLD]);
            // A terminal and a service manager send these to every process of the group, but the
            // server drains. It ends this process by SIGKILL, or by ending itself.
            ignore_signals(&[SIGINT, SIGTERM, SIGUSR1]);
        };
        let NewConnection {
            stream,
            admission,
            span,
        } = new;
        let forked = fork_with_setup(signals, || {
            kill_with_parent(server);
            drop(self.writer.take());
            self.stop.follow(&self.server);
            let admission = admission.in_child();
            let run = span.around(async { connection(handler, stream, admission).await });
            match Model::Processes.run(run) {
                Ok(End::Fine) => 0,
                Ok(End::Panicked) => PANICKED,
                Ok(End::Failed) | Err(_) => FAILED,
            }
        });
        match forked {
            Ok(child) => self.children.borrow_mut().push(child, admission.start()),
            Err(error) => self.shared.hooks.notice(&format_args!(
                "cannot start a process for a connection: {error}; it is closed"
            )),
        }
    }

    /// Reaps the processes that have ended, and counts those that did not succeed. Never blocks.
    fn reap(&self) {
        for mut ended in self.children.borrow_mut().reap() {
            match ended.status {
                Ok(ExitStatus::Exited(0)) => {}
                Ok(ExitStatus::Exited(PANICKED)) => add(&self.shared.counts.panicked),
                Ok(ExitStatus::Exited(_)) => add(&self.shared.counts.failed),
                // The process could not tell its hooks.
                Ok(killed) => {
                    add(&self.shared.counts.failed);
                    let error = io::Error::other(format!("its process {killed}"));
                    ended.value.close(Ending::Failed(&error));
                }
                Err(error) => {
                    add(&self.shared.counts.failed);
                    ended.value.close(Ending::Failed(&error));
                }
            }
        }
    }

    /// Kills the processes of the connections that are still open, and reaps them.
    fn cut(&self) -> io::Result<()> {
        for mut ended in self.children.borrow_mut().kill() {
            add(&self.shared.counts.cut);
            ended.value.close(Ending::Cut);
            ended.status?;
        }
        Ok(())
    }
}
