//! The load on the user's server.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_fetch::{Client, Limits};
use switchboard_runtime::{Model, spawn_local};

use crate::load::Load;
use crate::machine::{cores, pin};
use crate::usage::tree_cpu;

use super::{OwnLoad, OwnPlan};

/// What one turn measured.
pub(super) struct Turn {
    /// Answers.
    pub(super) answers: u64,
    /// The measured time.
    pub(super) elapsed: Duration,
    /// Nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// Seconds of processor time of the server's process tree.
    pub(super) cpu: f64,
}

/// Puts the load on the server of process `root` and blocks until it is done.
pub(super) fn drive(plan: &OwnPlan, addr: SocketAddr, root: u32) -> io::Result<Turn> {
    let core = cores().get(1).copied();
    let plan = plan.clone();
    let run = move || {
        if let Some(core) = core {
            pin(None, core)?;
        }
        match &plan.load {
            OwnLoad::Echo => echo(&plan, addr, root),
            OwnLoad::Http { path } => http(&plan, &format!("http://{addr}{path}"), root),
        }
    };
    let died = |_| io::Error::other("the load ended early");
    std::thread::spawn(run).join().map_err(died)?
}

/// Returns the processor time between two looks at the server.
fn used(
    before: Option<(Duration, Duration)>,
    after: Option<(Duration, Duration)>,
) -> io::Result<f64> {
    let gone = || io::Error::other("the server ended under load");
    let (before, after) = before.zip(after).ok_or_else(gone)?;
    let used = (after.0 + after.1).saturating_sub(before.0 + before.1);
    Ok(used.as_secs_f64())
}

fn echo(plan: &OwnPlan, addr: SocketAddr, root: u32) -> io::Result<Turn> {
    let load = Load {
        addr,
        connections: plan.clients,
        message: 64,
        warm_up: plan.duration / 5,
        duration: plan.duration,
        push: false,
    };
    let (mut before, mut after) = (None, None);
    let outcome = load.run(|| before = tree_cpu(root), || after = tree_cpu(root))?;
    if let Some(error) = outcome.errors.first() {
        return Err(io::Error::other(format!(
            "{} clients failed: {error}",
            outcome.errors.len()
        )));
    }
    Ok(Turn {
        answers: outcome.round_trips,
        elapsed: outcome.elapsed,
        latencies: outcome.latencies,
        cpu: used(before, after)?,
    })
}

/// Fetches the page again and again, each client one request at a time; connections are kept where the server keeps
/// them.
fn http(plan: &OwnPlan, url: &str, root: u32) -> io::Result<Turn> {
    let limits = Limits {
        idle: plan.clients,
        total: Some(Duration::from_secs(10)),
        ..Limits::default()
    };
    let client = Client::with(limits, None);
    let url: Rc<str> = url.into();
    let begin = Instant::now() + plan.duration / 5;
    let end = begin + plan.duration;
    let clients = plan.clients;
    Model::Tasks.run(async move {
        let histogram =
            || Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other);
        let mut flows = Vec::new();
        for _ in 0..clients {
            let (client, url) = (client.clone(), url.clone());
            let mut latencies = histogram()?;
            flows.push(spawn_local(async move {
                let mut answers = 0_u64;
                loop {
                    let start = Instant::now();
                    if start >= end {
                        return Ok((answers, latencies));
                    }
                    let body = async { client.get(&url).await?.bytes(64 << 20).await };
                    body.await.map_err(|error| error.to_string())?;
                    let now = Instant::now();
                    if start >= begin && now <= end {
                        answers += 1;
                        latencies.saturating_record((now - start).as_nanos() as u64);
                    }
                }
            }));
        }
        switchboard_runtime::sleep(begin.saturating_duration_since(Instant::now())).await;
        let before = tree_cpu(root);
        switchboard_runtime::sleep(end.saturating_duration_since(Instant::now())).await;
        let after = tree_cpu(root);
        let mut sum = (0, histogram()?);
        for flow in flows {
            let found: Result<_, String> = flow
                .await
                .map_err(|error| io::Error::other(error.to_string()))?;
            let (answers, latencies) = found.map_err(io::Error::other)?;
            sum.0 += answers;
            sum.1.add(latencies).map_err(io::Error::other)?;
        }
        Ok(Turn {
            answers: sum.0,
            elapsed: end - begin,
            latencies: sum.1,
            cpu: used(before, after)?,
        })
    })?
}
