//! A cell: one workload under one model, measured in a process of its own.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchboard_fetch::Client;
use switchboard_process_pool::{Jobs, ProcessPool};
use switchboard_runtime::{self as runtime, Model, run_each};

use crate::compare::cpu::{DIGEST, digest, power};
use crate::compare::measured::{Answers, Measured, QUANTILES};
use crate::compare::rows::{ComputeIn, Row, Workload};
use crate::crowd::setup::raise_descriptor_limit;
use crate::load::{Load, Talk, Way};
use crate::usage::{Usage, tree_clock, tree_memory};

/// The task of a cell, which its process receives as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CellSpec {
    /// The workload.
    pub workload: Workload,
    /// The name of the row.
    pub row: String,
    /// The number of jobs of `io` and `cpu`.
    pub jobs: usize,
    /// How many jobs of `cpu` run at once under `pool` and `processes`.
    pub at_once: usize,
    /// The number of pages that each `io` job fetches.
    pub pages: usize,
    /// The number of a server's clients.
    pub clients: usize,
    /// Bytes of an `echo` message.
    pub message: usize,
    /// The path of an `http` page.
    pub path: String,
    /// The time for which a server is measured in each loop.
    pub duration: Duration,
    /// Requests a second in the open loop.
    pub rate: f64,
    /// The address of the slow site or of the server.
    pub addr: Option<SocketAddr>,
    /// The process id of the server.
    pub server: Option<u32>,
    /// By how much each step of a job is made longer, to test what finds it.
    pub slow: Option<Duration>,
}

/// Runs a cell in this process and blocks until it is done. The process must have no other thread,
/// because some models fork.
///
/// # Errors
/// One line that says why the workload could not be done.
pub(crate) fn run(spec: &CellSpec) -> io::Result<Measured> {
    let row: Row = spec.row.parse().map_err(io::Error::other)?;
    match spec.workload {
        Workload::Echo => serve(spec, Talk::Echo),
        Workload::Http => serve(spec, Talk::Get(spec.path.clone())),
        Workload::Io => timed(|| fetch_pages(spec, row)),
        Workload::Cpu => {
            // Warms the processor up; no thread may start before models fork.
            check(digest(&power())).map_err(io::Error::other)?;
            timed(|| compute(spec, row))
        }
    }
}

pub(super) fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Measured> {
    let before = Usage::of_self();
    let start = Instant::now();
    work()?;
    let wall = start.elapsed();
    let after = Usage::of_self();
    Ok(Measured {
        wall_s: wall.as_secs_f64(),
        user_s: after.user.saturating_sub(before.user).as_secs_f64(),
        system_s: after.system.saturating_sub(before.system).as_secs_f64(),
        // The parent measures the memory, because it sees the whole tree of processes.
        peak_rss_bytes: 0,
        answers: None,
    })
}

pub(super) fn run_jobs<F>(
    row: Row,
    jobs: usize,
    at_once: usize,
    work: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
) -> io::Result<()>
where
    F: Future<Output = Result<(), String>> + 'static,
{
    let mut failed = None;
    let driver = row.model.has_loop().then_some(row.driver);
    run_each(row.model, driver, jobs, at_once, work, |job, result| {
        let error = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(error) => error.to_string(),
        };
        failed.get_or_insert(format!("job {job}: {error}"));
    })?;
    failed.map_or(Ok(()), |error| Err(io::Error::other(error)))
}

fn fetch_pages(spec: &CellSpec, row: Row) -> io::Result<()> {
    let addr = spec
        .addr
        .ok_or_else(|| io::Error::other("no site to fetch from"))?;
    let (pages, slow) = (spec.pages, spec.slow);
    let client = Client::new();
    run_jobs(row, spec.jobs, spec.jobs, move |job| {
        let client = client.clone();
        async move {
            for page in 0..pages {
                let url = format!("http://{addr}/page/{}", job * pages + page);
                let fetched = async { client.get(&url).await?.bytes(1 << 20).await }.await;
                let body = fetched.map_err(|error| error.to_string())?;
                if body.is_empty() {
                    return Err(format!("{url}: an empty page"));
                }
                pause(slow).await;
            }
            Ok(())
        }
    })
}

fn compute(spec: &CellSpec, row: Row) -> io::Result<()> {
    let at_once = match row.model {
        Model::Pool | Model::Processes => spec.at_once,
        _ => spec.jobs,
    };
    let slow = spec.slow;
    if row.compute_in == ComputeIn::Processes {
        // The pool starts before all threads, because it forks.
        let power = |(): ()| Ok::<_, String>(digest(&power()));
        let pool = ProcessPool::start(spec.at_once, Jobs::new().add("power", power))?;
        return run_jobs(row, spec.jobs, spec.jobs, move |_| {
            let pool = pool.clone();
            async move {
                pause(slow).await;
                let found = pool.run("power", &()).await;
                found.map_err(|error| error.to_string()).and_then(check)
            }
        });
    }
    let off_the_loop = row.model.has_loop() && row.compute_in == ComputeIn::ModelDefault;
    run_jobs(row, spec.jobs, at_once, move |_| async move {
        pause(slow).await;
        if !off_the_loop {
            return check(digest(&power()));
        }
        let found = runtime::run_blocking(|| digest(&power())).await;
        found.map_err(|error| error.to_string()).and_then(check)
    })
}

/// Returns an error if a power is wrong.
fn check(found: u64) -> Result<(), String> {
    let right = (found == DIGEST).then_some(());
    right.ok_or_else(|| "a wrong result".to_owned())
}

async fn pause(slow: Option<Duration>) {
    if let Some(slow) = slow {
        runtime::sleep(slow).await;
    }
}

/// Puts a load on the server that the parent started, and measures the server: what it can do at most, in a closed
/// loop, and how long answers take at a moderate rate, in an open one.
fn serve(spec: &CellSpec, talk: Talk) -> io::Result<Measured> {
    raise_descriptor_limit()?;
    let missing = || io::Error::other("no server to drive");
    let addr = spec.addr.ok_or_else(missing)?;
    let server = spec.server.ok_or_else(missing)?;
    let load = Load {
        addr,
        connections: spec.clients,
        message: spec.message,
        // Servers that start a process for each connection need some time for fifty.
        warm_up: (spec.duration / 5).max(Duration::from_millis(60)),
        duration: spec.duration,
        push: false,
    };
    let mut way = Way {
        talk,
        ..Way::default()
    };
    let (mut before, mut after, mut memory) = (None, None, None);
    let most = load.run_by(
        &way,
        || before = tree_clock(server),
        || {
            after = tree_clock(server);
            memory = tree_memory(server);
        },
    )?;
    way.rate = Some(spec.rate);
    let open = load.run_by(&way, || (), || ())?;
    let mut errors = most.errors.iter().chain(&open.errors);
    if let Some(error) = errors.next() {
        let failed = 1 + errors.count();
        return Err(io::Error::other(format!(
            "{failed} clients failed, such as: {error}"
        )));
    }
    let unknown = || io::Error::other("the system does not report the server's processor time");
    let (before, after) = before.zip(after).ok_or_else(unknown)?;
    let cpu_s = after.saturating_sub(before).as_secs_f64();
    let latency = |quantile| open.latencies.value_at_quantile(quantile) as f64 / 1e9;
    Ok(Measured {
        wall_s: most.elapsed.as_secs_f64(),
        peak_rss_bytes: memory.unwrap_or(0),
        answers: Some(Answers {
            per_s: most.round_trips as f64 / most.elapsed.as_secs_f64(),
            cpu_s: cpu_s / most.round_trips.max(1) as f64,
            latencies_s: QUANTILES.map(latency).to_vec(),
            served: most.served,
            limit: most
                .load_was_the_limit()
                .or_else(|| open.load_was_the_limit()),
        }),
        ..Measured::default()
    })
}
