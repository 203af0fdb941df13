//! `compare`: runs every cell in a process of its own, one after another, and reports.

pub(crate) mod advise;
pub(crate) mod cell;
pub(crate) mod comparison;
pub(crate) mod cpu;
pub(crate) mod measured;
pub(crate) mod rows;
mod table;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_runtime::Model;

use crate::children::{Server, Work, run_in_child};
use crate::compare::advise::advise;
use crate::compare::cell::CellSpec;
use crate::compare::comparison::{Cell, Comparison};
use crate::compare::measured::Measured;
use crate::compare::rows::{ComputeIn, Row, Workload, rows};
use crate::machine::{cores, machine};
use crate::progress::Progress;
use crate::text::count;

/// The settings of a comparison.
///
/// ```no_run
/// use std::time::Duration;
/// use switchboard_lab::{Plan, Workload, compare};
/// use switchboard_runtime::Model;
///
/// let report = compare(&Plan {
///     program: "target/release/switchboard".into(),
///     workloads: vec![Workload::Echo],
///     models: vec![Model::Threads, Model::Tasks],
///     repeat: 3,
///     jobs: 10,
///     pages: 4,
///     latency: Duration::from_millis(250),
///     clients: 50,
///     duration: Duration::from_secs(2),
/// })?;
/// print!("{}", report.text());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `switchboard` program, which runs the cells and their servers.
    pub program: PathBuf,
    /// The workloads to run.
    pub workloads: Vec<Workload>,
    /// The models to run, each under all drivers that it is compared under.
    pub models: Vec<Model>,
    /// How often each cell runs; the median is reported.
    pub repeat: usize,
    /// The number of jobs of `io` and `cpu`.
    pub jobs: usize,
    /// The number of pages that each `io` job fetches.
    pub pages: usize,
    /// The time that each page takes.
    pub latency: Duration,
    /// The number of `echo` clients.
    pub clients: usize,
    /// The time for which each `echo` cell is measured.
    pub duration: Duration,
}

impl Plan {
    /// Estimates the duration of a cell, for the progress bar.
    fn estimate(&self, (workload, row): &(Workload, Row)) -> Duration {
        let jobs = match row.model {
            Model::Blocking => self.jobs as u32,
            _ => 1,
        };
        match workload {
            Workload::Io => self.latency * self.pages as u32 * jobs,
            Workload::Cpu => Duration::from_millis(40) * self.jobs as u32,
            Workload::Echo => self.duration + self.duration / 5,
        }
    }
}

/// Bytes of an echo message.
const MESSAGE: usize = 64;

/// Runs the plan and blocks until all cells are done. A cell that fails is reported with its error.
///
/// # Errors
/// `InvalidInput` if the plan has no cell; the system's if the program or a server cannot be started.
pub fn compare(plan: &Plan) -> io::Result<Comparison> {
    let cells: Vec<(Workload, Row)> = plan
        .workloads
        .iter()
        .flat_map(|&workload| rows(workload).into_iter().map(move |row| (workload, row)))
        .filter(|(_, row)| plan.models.contains(&row.model))
        .collect();
    if cells.is_empty() {
        let text = "no workload of those asked for is compared under any of those models: ask for more of \
                    either (callbacks has echo; green has io and echo)";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let round: Duration = cells.iter().map(|cell| plan.estimate(cell)).sum();
    let progress = Progress::new(round.saturating_mul(plan.repeat as u32));
    let site = match plan.workloads.contains(&Workload::Io) {
        true => Some(Server::start(&plan.program, &site_arguments(plan))?),
        false => None,
    };
    let mut runs: Vec<Vec<Result<Measured, String>>> = vec![Vec::new(); cells.len()];
    // All cells run once in each round, so that a machine that becomes slower slows all of them.
    for _ in 0..plan.repeat {
        for (at, cell) in cells.iter().enumerate() {
            let (workload, row) = cell;
            progress.begin(&format!("{workload} {row}"));
            let measured = run_cell(plan, *workload, *row, site.as_ref());
            runs[at].push(measured.map_err(|error| error.to_string()));
            progress.end(plan.estimate(cell));
        }
    }
    let cells = cells.into_iter().zip(runs);
    let mut report = Comparison {
        machine: machine(),
        settings: settings(plan),
        cells: cells
            .map(|((workload, row), runs)| {
                let mistake = row.compute_in == ComputeIn::Loop;
                Cell::from_runs(workload, row.to_string(), mistake, runs)
            })
            .collect(),
        advice: Vec::new(),
    };
    report.set_speed_ups();
    report.advice = advise(&report.cells);
    if plan.repeat == 1 && !report.advice.is_empty() {
        let line = "one run of each: `--repeat 3` shows how far they vary, and what is noise";
        report.advice.insert(0, line.to_owned());
    }
    Ok(report)
}

fn settings(plan: &Plan) -> Vec<String> {
    let latency = plan.latency.as_millis();
    let bound = plan.latency.as_secs_f64() * plan.pages as f64;
    vec![
        format!(
            "io: {}, each {} one after another, {latency} ms a page; at best {bound:.2} s",
            count(plan.jobs, "job"),
            count(plan.pages, "page")
        ),
        format!(
            "cpu: {} of 7777^200000 by num-bigint",
            count(plan.jobs, "job")
        ),
        format!(
            "echo: {}, {MESSAGE} bytes, closed loop, {:.1} s; the server on one core, the load on another",
            count(plan.clients, "client"),
            plan.duration.as_secs_f64()
        ),
    ]
}

fn site_arguments(plan: &Plan) -> [String; 4] {
    let latency = format!("{}ms", plan.latency.as_millis());
    ["serve", "slow-site", "--latency", &latency].map(String::from)
}

fn run_cell(
    plan: &Plan,
    workload: Workload,
    row: Row,
    site: Option<&Server>,
) -> io::Result<Measured> {
    let cores = cores();
    let mut spec = CellSpec {
        workload,
        row: row.to_string(),
        jobs: plan.jobs,
        at_once: cores.len(),
        pages: plan.pages,
        clients: plan.clients,
        message: MESSAGE,
        duration: plan.duration,
        addr: site.map(Server::addr),
        server: None,
    };
    if workload != Workload::Echo {
        let (mut measured, peak) = in_child(plan, spec, None)?;
        measured.peak_rss_bytes = peak;
        return Ok(measured);
    }
    let mut arguments = vec!["serve", "echo", "--model", row.model.name()];
    if row.model.has_loop() {
        arguments.extend(["--driver", row.driver.name()]);
    }
    let server = Server::start(&plan.program, &arguments)?;
    // On a machine with one core the server and the load share it.
    let load_core = cores.get(1).copied();
    if load_core.is_some() {
        server.pin(cores[0])?;
    }
    spec.addr = Some(server.addr());
    spec.server = Some(server.pid());
    Ok(in_child(plan, spec, load_core)?.0)
}

/// Runs one cell in a process of its own; returns its measurements and its most memory.
fn in_child(plan: &Plan, spec: CellSpec, core: Option<usize>) -> io::Result<(Measured, u64)> {
    let done = run_in_child(&plan.program, &Work::Cell(spec), core)?;
    Ok((serde_json::from_value(done.found)?, done.peak_rss_bytes))
}
