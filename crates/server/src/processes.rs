//! Processes: one for each connection, or a few supervised ones that were forked before.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use switchboard_net::Stream;
use switchboard_runtime::process::{self, Child, Ended};
use switchboard_runtime::{self as runtime, Model, race};

use crate::accept::accept_loop;
use crate::connection::{End, connection};
use crate::counts::{Report, add};
use crate::settings::Workers;
use crate::setup::Setup;
use crate::shared::{Permit, Shared};
use crate::stop::{Signals, Stop, StopTriggers};

/// A handler's panic, as a process's exit status.
const PANICKED: i32 = 101;
const FAILED: i32 = 1;

/// Accepts on this thread, which must be the only one, and forks for each connection.
pub(crate) fn accept_and_fork<H, F>(
    setup: Setup,
    handler: H,
    triggers: &StopTriggers,
) -> io::Result<Report>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let shared = Shared::new(&setup);
    let children: RefCell<Vec<(Child, Permit)>> = RefCell::default();
    let died = Signals::new(&[SIGCHLD])?;
    let mut listeners = setup.listeners;
    let server = std::process::id();
    let start = |stream: Stream, permit: Permit| {
        let signals = || {
            process::default_signals(&[SIGCHLD]);
            // Those are for the server, which drains; a terminal and a service manager send them to
            // everybody. What ends this process is its server, by SIGKILL or by ending itself.
            process::ignore_signals(&[SIGINT, SIGTERM]);
        };
        let forked = process::fork_after(signals, || {
            process::end_with_parent(server, true);
            let permit = Permit::take(&shared);
            let run = async { connection(&handler, stream, permit).await };
            match Model::Processes.run(run) {
                Ok(End::Fine) => 0,
                Ok(End::Panicked) => PANICKED,
                Ok(End::Failed) | Err(_) => FAILED,
            }
        });
        match forked {
            Ok(child) => {
                permit.started();
                children.borrow_mut().push((child, permit));
            }
            Err(error) => shared.hooks.notice(&format_args!(
                "cannot start a process for a connection: {error}; it is closed"
            )),
        }
    };
    let reap = || {
        children
            .borrow_mut()
            .retain(|(child, _)| match child.try_wait() {
                Ok(None) => true,
                Ok(Some(Ended::Exited(0))) => false,
                Ok(Some(Ended::Exited(PANICKED))) => {
                    add(&shared.counts.panicked);
                    false
                }
                Ok(Some(_)) | Err(_) => {
                    add(&shared.counts.failed);
                    false
                }
            });
    };
    let reaping = async {
        loop {
            died.wait().await?;
            reap();
        }
    };
    Model::Processes.run(async {
        let halt = async { drop(triggers.wait().await) };
        race(accept_loop(&shared, &listeners[0], halt, start), reaping).await?;
        Setup::close(&mut listeners, setup.supervisor);
        let gone = async {
            while !children.borrow().is_empty() {
                died.wait().await?;
                reap();
            }
            io::Result::Ok(())
        };
        reap();
        let drained = runtime::timeout(setup.settings.drain, gone).await;
        if drained.is_err() {
            for (child, _) in children.borrow().iter() {
                add(&shared.counts.cut);
                child.kill();
            }
            for (child, _) in children.borrow_mut().drain(..) {
                child.wait()?;
            }
        }
        io::Result::Ok(())
    })??;
    Ok(shared.report())
}

/// Between two times of asking workers to end: one that was started just now may not have heard.
const AGAIN: Duration = Duration::from_millis(100);

/// Between two attempts to start a worker.
const RETRY: Duration = Duration::from_millis(500);

/// A worker process, as its supervisor knows it.
struct Worker {
    child: Child,
    report: io::PipeReader,
    since: Instant,
}

/// Forks the workers and replaces those that die, until the server is to end.
pub(crate) fn supervise<H, F>(
    mut setup: Setup,
    handler: H,
    run_worker: impl Fn(Setup, H) -> io::Result<Report>,
) -> io::Result<Report>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    // Kept in places that a child can empty: a signal caught there must not be heard here.
    let mut triggers = Some(StopTriggers::new(&setup.stop, &setup.settings)?);
    let mut died = Some(Signals::new(&[SIGCHLD])?);
    let mut listeners = std::mem::take(&mut setup.listeners);
    let supervisor = std::process::id();
    let start = |index: usize, triggers: &mut Option<StopTriggers>, died: &mut Option<Signals>| {
        let (report, mut writer) = io::pipe()?;
        let alone = || drop((triggers.take(), died.take()));
        let child = process::fork_after(alone, || {
            let mut settings = setup.settings.clone();
            settings.workers = Workers::Threads(1);
            // Ctrl-C in a terminal reaches the workers as well as their supervisor.
            settings.signals = true;
            settings.until_eof = false;
            let worker = Setup {
                settings,
                listeners: vec![listeners[index].clone()],
                addr: setup.addr.clone(),
                capacity: setup.capacity.clone(),
                stop: Stop::default(),
                supervisor: Some(supervisor),
            };
            match run_worker(worker, handler.clone()) {
                Ok(report) => {
                    // In one piece; the supervisor may be gone.
                    let bytes = serde_json::to_vec(&report).unwrap_or_default();
                    let _ = writer.write_all(&bytes);
                    0
                }
                Err(error) => {
                    setup
                        .settings
                        .hooks
                        .notice(&format_args!("worker {index}: {error}"));
                    1
                }
            }
        })?;
        io::Result::Ok(Worker {
            child,
            report,
            since: Instant::now(),
        })
    };
    let mut running = Vec::new();
    for index in 0..listeners.len() {
        running.push(Some(start(index, &mut triggers, &mut died)?));
    }
    let mut report = Report::default();
    loop {
        let halted = Model::Threads.run(async {
            let (Some(triggers), Some(died)) = (&triggers, &died) else {
                unreachable!("emptied in children only")
            };
            let halt = async { triggers.wait().await.map(|()| true) };
            let died = async { died.wait().await.map(|()| false) };
            let again = async {
                match running.iter().any(Option::is_none) {
                    true => runtime::sleep(RETRY).await,
                    false => std::future::pending().await,
                }
                Ok(false)
            };
            race(halt, race(died, again)).await
        })??;
        if halted {
            break;
        }
        for (index, slot) in running.iter_mut().enumerate() {
            if let Some(worker) = slot {
                let Some(how) = worker.child.try_wait()? else {
                    continue;
                };
                report.replaced += 1;
                setup.settings.hooks.notice(&format_args!(
                    "worker {index} (process {}) died ({how:?}); starting another",
                    worker.child.pid()
                ));
                // One that dies as soon as it starts must not keep this process busy forking.
                let age = worker.since.elapsed();
                std::thread::sleep(RETRY.saturating_sub(age));
            }
            *slot = match start(index, &mut triggers, &mut died) {
                Ok(worker) => Some(worker),
                Err(error) => {
                    setup.settings.hooks.notice(&format_args!(
                        "cannot start worker {index}: {error}; trying again"
                    ));
                    None
                }
            };
        }
    }
    Setup::close(&mut listeners, None);
    let limit = setup.settings.drain.saturating_add(Duration::from_secs(2));
    end(running.into_iter().flatten().collect(), limit, &mut report)?;
    Ok(report)
}

/// Asks the workers to end, waits, ends those that don't, and adds up what they report.
fn end(mut workers: Vec<Worker>, limit: Duration, report: &mut Report) -> io::Result<()> {
    let start = Instant::now();
    while !workers.is_empty() {
        workers.iter().for_each(|worker| worker.child.terminate());
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            workers.iter().for_each(|worker| worker.child.kill());
        }
        // Looked at before its pipe: what has ended has said all it will. The pipe may stay open, held
        // by a process of its own that outlives it.
        let mut ended = Vec::new();
        for worker in &workers {
            ended.push(worker.child.try_wait()?.is_some());
        }
        let mut fds: Vec<_> = workers
            .iter()
            .map(|worker| PollFd::new(&worker.report, PollFlags::IN))
            .collect();
        let wait = Timespec::try_from(left.clamp(Duration::from_millis(1), AGAIN)).ok();
        let _ = rustix::event::poll(&mut fds, wait.as_ref());
        let over: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for at in (0..workers.len()).rev() {
            if !over[at] && !ended[at] {
                continue;
            }
            let mut worker = workers.swap_remove(at);
            let mut bytes = [0; 4096];
            let length = match over[at] {
                true => worker.report.read(&mut bytes)?,
                false => 0,
            };
            if let Ok(one) = serde_json::from_slice(&bytes[..length]) {
                report.add(one);
            }
            if !ended[at] {
                worker.child.wait()?;
            }
        }
    }
    Ok(())
}
