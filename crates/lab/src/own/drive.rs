//! The load on the user's server.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_fetch::{Client, Limits};
use switchboard_runtime::{Model, sleep, spawn_local};

use crate::load::Load;
use crate::usage::tree_cpu;
use crate::ways::on_load_core;

use super::{OwnLoad, OwnPlan};

/// What one turn measured.
pub(super) struct Turn {
    /// Answers.
    pub(super) answers: u64,
    /// Clients that had one at least.
    pub(super) served: usize,
    /// The measured time.
    pub(super) elapsed: Duration,
    /// Nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// Seconds of processor time of the server's process tree.
    pub(super) cpu: f64,
}

/// Puts the load on the server of process `root` and blocks until it is done.
pub(super) fn drive(plan: &OwnPlan, addr: SocketAddr, root: u32) -> io::Result<Turn> {
    on_load_core(|| match &plan.load {
        OwnLoad::Echo => echo(plan, addr, root),
        OwnLoad::Http { path } => http(plan, &format!("http://{addr}{path}"), root),
    })
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
        served: outcome.served,
        elapsed: outcome.elapsed,
        latencies: outcome.latencies,
        cpu: used(before, after)?,
    })
}

/// What the clients of a run have counted together.
struct Tally {
    answers: u64,
    served: usize,
    latencies: Histogram<u64>,
    error: Option<String>,
}

/// Fetches the page again and again, each client one request at a time; connections are kept where the server keeps
/// them. A client whose answer does not come in time is no failure: it is not served.
fn http(plan: &OwnPlan, url: &str, root: u32) -> io::Result<Turn> {
    let limits = Limits {
        idle: plan.clients,
        ..Limits::default()
    };
    let client = Client::with(limits, None);
    let url: Rc<str> = url.into();
    let begin = Instant::now() + plan.duration / 5;
    let end = begin + plan.duration;
    let tally = Rc::new(RefCell::new(Tally {
        answers: 0,
        served: 0,
        latencies: Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)?,
        error: None,
    }));
    let counted = Rc::clone(&tally);
    let (before, after) = Model::Tasks.run(async move {
        let flows: Vec<_> = (0..plan.clients)
            .map(|_| {
                spawn_local(repeat(
                    client.clone(),
                    url.clone(),
                    tally.clone(),
                    begin..end,
                ))
            })
            .collect();
        sleep(begin.saturating_duration_since(Instant::now())).await;
        let before = tree_cpu(root);
        sleep(end.saturating_duration_since(Instant::now())).await;
        let after = tree_cpu(root);
        for mut flow in flows {
            flow.cancel();
        }
        (before, after)
    })?;
    let cpu = used(before, after)?;
    let mut counted = counted.borrow_mut();
    match counted.error.take() {
        Some(error) => Err(io::Error::other(error)),
        None => Ok(Turn {
            answers: counted.answers,
            served: counted.served,
            elapsed: end - begin,
            latencies: counted.latencies.clone(),
            cpu,
        }),
    }
}

/// Fetches a page. A status that is no success is an error: an error page costs a server something else.
async fn page(client: &Client, url: &str) -> Result<(), String> {
    let answer = client.get(url).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("{url}: it answers {status}"));
    }
    let body = answer.bytes(64 << 20).await;
    body.map(drop).map_err(|error| error.to_string())
}

/// Fetches one page after another and counts those of the measured time, until one fails.
async fn repeat(client: Client, url: Rc<str>, tally: Rc<RefCell<Tally>>, measured: Range<Instant>) {
    let mut is_first = true;
    while Instant::now() < measured.end {
        let start = Instant::now();
        let found = page(&client, &url).await;
        let now = Instant::now();
        let mut tally = tally.borrow_mut();
        if let Err(error) = found {
            tally.error = Some(error);
            return;
        }
        tally.served += usize::from(is_first);
        is_first = false;
        if measured.contains(&now) {
            tally.answers += 1;
            tally
                .latencies
                .saturating_record((now - start).as_nanos() as u64);
        }
    }
}
