//! A cell: one workload under one model, measured in a process of its own.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchboard_fetch::Client;
use switchboard_process_pool::{Jobs, ProcessPool};
use switchboard_runtime::{self as runtime, Model, run_each};

use crate::compare::cpu::{DIGEST, digest, power};
use crate::compare::measured::{Echo, Measured};
use crate::compare::rows::{ComputeIn, Row, Workload};
use crate::load::Load;
use crate::usage::{Usage, tree_cpu, tree_memory};

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
    /// The number of `echo` clients.
    pub clients: usize,
    /// Bytes of an `echo` message.
    pub message: usize,
    /// The time for which `echo` is measured.
    pub duration: Duration,
    /// The address of the slow site or of the echo server.
    pub addr: Option<SocketAddr>,
    /// The process id of the echo server.
    pub server: Option<u32>,
}

/// Runs a cell in this process and blocks until it is done. The process must have no other thread,
/// because some models fork.
///
/// # Errors
/// One line that says why the workload could not be done.
pub fn run(spec: &CellSpec) -> io::Result<Measured> {
    let row: Row = spec.row.parse().map_err(io::Error::other)?;
    match spec.workload {
        Workload::Echo => echo(spec),
        Workload::Io => timed(|| fetch_pages(spec, row)),
        Workload::Cpu => timed(|| compute(spec, row)),
    }
}

fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Measured> {
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
        echo: None,
    })
}

fn run_jobs<F>(
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
    let pages = spec.pages;
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
    let check = |found| {
        (found == DIGEST)
            .then_some(())
            .ok_or("a wrong result".to_owned())
    };
    if row.compute_in == ComputeIn::Processes {
        // The pool starts before all threads, because it forks.
        let power = |(): ()| Ok::<_, String>(digest(&power()));
        let pool = ProcessPool::start(spec.at_once, Jobs::new().add("power", power))?;
        return run_jobs(row, spec.jobs, spec.jobs, move |_| {
            let pool = pool.clone();
            async move {
                let found = pool.run("power", &()).await;
                found.map_err(|error| error.to_string()).and_then(check)
            }
        });
    }
    let off_the_loop = row.model.has_loop() && row.compute_in == ComputeIn::ModelDefault;
    run_jobs(row, spec.jobs, at_once, move |_| async move {
        if !off_the_loop {
            return check(digest(&power()));
        }
        let found = runtime::run_blocking(|| digest(&power())).await;
        found.map_err(|error| error.to_string()).and_then(check)
    })
}

/// Puts a load on the server that the parent started, and measures the server.
fn echo(spec: &CellSpec) -> io::Result<Measured> {
    let missing = || io::Error::other("no server to drive");
    let addr = spec.addr.ok_or_else(missing)?;
    let server = spec.server.ok_or_else(missing)?;
    let load = Load {
        addr,
        connections: spec.clients,
        message: spec.message,
        warm_up: spec.duration / 5,
        duration: spec.duration,
        push: false,
    };
    let (mut before, mut after, mut memory) = (None, None, None);
    let outcome = load.run(
        || before = tree_cpu(server),
        || {
            after = tree_cpu(server);
            memory = tree_memory(server);
        },
    )?;
    if let Some(error) = outcome.errors.first() {
        let failed = outcome.errors.len();
        return Err(io::Error::other(format!(
            "{failed} clients failed, such as: {error}"
        )));
    }
    let unknown = || io::Error::other("the system does not report the server's processor time");
    let (before, after) = before.zip(after).ok_or_else(unknown)?;
    let user = after.0.saturating_sub(before.0);
    let system = after.1.saturating_sub(before.1);
    let micros = |quantile| outcome.latencies.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Measured {
        wall_s: outcome.elapsed.as_secs_f64(),
        user_s: user.as_secs_f64(),
        system_s: system.as_secs_f64(),
        peak_rss_bytes: memory.unwrap_or(0),
        echo: Some(Echo {
            round_trips_per_s: outcome.round_trips as f64 / outcome.elapsed.as_secs_f64(),
            cpu_us_per_round_trip: (user + system).as_secs_f64() * 1e6
                / outcome.round_trips.max(1) as f64,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            served: outcome.served,
            clients: spec.clients,
        }),
    })
}
