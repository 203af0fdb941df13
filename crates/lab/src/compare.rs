//! `compare`: runs every cell in a process of its own, one after another, and reports.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use switchboard_runtime::Model;

use crate::advise::advise;
use crate::cell::CellSpec;
use crate::machine::{cores, machine, pin};
use crate::measured::Measured;
use crate::progress::Progress;
use crate::report::{Cell, Report};
use crate::rows::{ComputeIn, Row, Workload, rows};
use crate::sampler::Sampler;
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
pub fn compare(plan: &Plan) -> io::Result<Report> {
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
        true => Some(Server::start(plan, &site_arguments(plan))?),
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
    let mut report = Report {
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

fn site_arguments(plan: &Plan) -> Vec<String> {
    let latency = format!("{}ms", plan.latency.as_millis());
    ["serve", "slow-site", "--latency", &latency]
        .map(String::from)
        .to_vec()
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
        addr: site.map(|site| site.addr),
        server: None,
    };
    if workload != Workload::Echo {
        return in_child(plan, &spec, None);
    }
    let mut arguments = vec!["serve", "echo", "--model", row.model.name()];
    if row.model.has_loop() {
        arguments.extend(["--driver", row.driver.name()]);
    }
    let arguments: Vec<String> = arguments.into_iter().map(String::from).collect();
    let server = Server::start(plan, &arguments)?;
    // On a machine with one core the server and the load share it.
    let (first, second) = (cores[0], cores.get(1).copied());
    if second.is_some() {
        pin(Some(server.child.id()), first)?;
        // Later threads and processes inherit the core; the server's present threads do not.
        for entry in std::fs::read_dir(format!("/proc/{}/task", server.child.id()))?.flatten() {
            if let Ok(thread) = entry.file_name().to_string_lossy().parse() {
                pin(Some(thread), first)?;
            }
        }
    }
    spec.addr = Some(server.addr);
    spec.server = Some(server.child.id());
    in_child(plan, &spec, second)
}

/// Runs one cell in a child process and samples the memory of the child's process tree.
fn in_child(plan: &Plan, spec: &CellSpec, core: Option<usize>) -> io::Result<Measured> {
    let mut child = Command::new(&plan.program)
        .arg("cell")
        .arg(serde_json::to_string(spec)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = child.id();
    if let Some(core) = core {
        pin(Some(pid), core)?;
    }
    let sampler = Sampler::start(pid)?;
    let output = wait_with_output(&mut child);
    let peak = sampler.stop().unwrap_or(0);
    let (stdout, stderr) = output?;
    let Ok(mut measured) = serde_json::from_str::<Measured>(&stdout) else {
        let line = stderr
            .lines()
            .next()
            .unwrap_or("the cell ended without output");
        return Err(io::Error::other(
            line.trim_start_matches("switchboard: ").to_owned(),
        ));
    };
    if spec.workload != Workload::Echo {
        measured.peak_rss_bytes = peak;
    }
    Ok(measured)
}

fn wait_with_output(child: &mut Child) -> io::Result<(String, String)> {
    let mut stdout = String::new();
    let mut stderr = String::new();
    if let (Some(out), Some(err)) = (&mut child.stdout, &mut child.stderr) {
        io::Read::read_to_string(out, &mut stdout)?;
        io::Read::read_to_string(err, &mut stderr)?;
    }
    child.wait()?;
    Ok((stdout, stderr))
}

/// A `switchboard serve` process that ends when this value is dropped, or with this process.
struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(plan: &Plan, arguments: &[String]) -> io::Result<Server> {
        let mut child = Command::new(&plan.program)
            .args(arguments)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--until-eof",
                "--quiet",
                "--drain",
                "0",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line
            .trim()
            .strip_prefix("listening on ")
            .and_then(|addr| addr.parse().ok())
        {
            Some(addr) => Ok(Server { child, addr }),
            None => {
                // Without an address the server is of no use, if it still runs.
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other(format!(
                    "`switchboard {}` did not start",
                    arguments.join(" ")
                )))
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server ends at the end of its stdin, together with its forked processes.
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = stdin.flush();
        }
        let _ = self.child.wait();
    }
}
