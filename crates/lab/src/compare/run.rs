//! The runs of the experiments that compare models.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_runtime::Model;

use super::cell::CellSpec;
use super::findings;
use super::measured::{Answers, Measured};
use super::mistakes::{Habit, HabitSpec};
use super::rows::{Row, Workload};
use super::table::{self, Ran};
use super::{chosen, computing_jobs, duration, jobs, latency, rounds};
use crate::children::{Server, Work};
use crate::experiment::Lab;
use crate::machine::cores;
use crate::report::{Better, Section};
use crate::rounds::{Rounds, Step, Trial};
use crate::text::{count, per_second, seconds};
use crate::watch::Disturbance;

/// Bytes of an echo message.
const MESSAGE: usize = 64;
/// Requests a second in open loops: few enough for each model.
const RATE: f64 = 2000.0;
/// The page of `http`.
const PAGE: &[u8] = b"Hello, world!";

/// A cell of an experiment, as it is run and shown.
trait Shown {
    fn name(&self) -> String;
    fn estimate(&self) -> Duration;
}

struct Cell {
    row: Row,
    estimate: Duration,
}

impl Shown for Cell {
    fn name(&self) -> String {
        self.row.to_string()
    }

    fn estimate(&self) -> Duration {
        self.estimate
    }
}

impl Shown for (Habit, Duration) {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn estimate(&self) -> Duration {
        self.1
    }
}

/// Runs cells by turns, and shows what is done. The first figure of a run is better if it is `better`.
fn by_turns<C: Shown>(
    lab: &Lab,
    workload: Workload,
    cells: &[C],
    rounds: &Rounds,
    mut run: impl FnMut(&C) -> io::Result<Vec<f64>>,
) -> (Vec<Trial>, Option<Disturbance>) {
    let begin = |step: &Step<'_>| {
        let name = cells[step.at].name();
        lab.begin(&format!("{workload} {name}, round {}", step.round + 1));
        let next = cells.get(step.at + 1).map(Shown::name);
        lab.expect(&next.unwrap_or_default(), &best(workload, cells, step.runs));
    };
    rounds.run_watched(cells, &lab.watch, begin, |cell| {
        let found = run(cell);
        lab.end(cell.estimate());
        found
    })
}

/// Says which cell is the best so far.
fn best<C: Shown>(workload: Workload, cells: &[C], runs: &[Vec<Vec<f64>>]) -> String {
    let medians = runs.iter().map(|runs| {
        let first: Vec<f64> = runs.iter().filter_map(|run| run.first().copied()).collect();
        (!first.is_empty()).then(|| super::measured::median(first))
    });
    let found = cells
        .iter()
        .zip(medians)
        .filter_map(|(cell, median)| Some((cell, median?)));
    let better = table::better(workload);
    let best = found.min_by(|(_, a), (_, b)| match better {
        Better::More => b.total_cmp(a),
        _ => a.total_cmp(b),
    });
    best.map_or(String::new(), |(cell, median)| match better {
        Better::More => format!("{} {}", cell.name(), per_second(median)),
        _ => format!("{} {}", cell.name(), seconds(median)),
    })
}

/// Returns the rows to run, or says that there is none.
fn cells(
    lab: &Lab,
    workload: Workload,
    estimate: impl Fn(&Row) -> Duration,
) -> io::Result<Vec<Cell>> {
    let rows = chosen(lab, workload).into_iter();
    let cells: Vec<Cell> = rows
        .map(|row| Cell {
            row,
            estimate: estimate(&row),
        })
        .collect();
    match cells.is_empty() {
        false => Ok(cells),
        true => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is compared under none of the models asked for: ask for more \
             (callbacks has echo; green has io, echo and http)",
        )),
    }
}

fn spec(lab: &Lab, workload: Workload, row: Row) -> CellSpec {
    CellSpec {
        workload,
        row: row.to_string(),
        jobs: jobs(lab),
        at_once: cores().len(),
        pages: lab.sizes.pages,
        clients: lab.sizes.clients,
        message: MESSAGE,
        path: "/hello".to_owned(),
        duration: duration(lab),
        rate: RATE,
        addr: None,
        server: None,
        slow: lab.slowed(row.model),
    }
}

/// Runs a cell in a process of its own.
fn in_child(lab: &Lab, spec: CellSpec, core: Option<usize>) -> io::Result<Measured> {
    let server = spec.server.is_some();
    let done = lab.work(&Work::Cell(spec), core)?;
    let mut measured: Measured = serde_json::from_value(done.found)?;
    if !server {
        measured.peak_rss_bytes = done.peak_rss_bytes;
    }
    Ok(measured)
}

fn work_figures(measured: &Measured) -> Vec<f64> {
    let Measured {
        wall_s,
        user_s,
        system_s,
        peak_rss_bytes,
        ..
    } = *measured;
    vec![wall_s, user_s, system_s, peak_rss_bytes as f64]
}

pub(super) fn fetching(lab: &Lab) -> io::Result<Section> {
    let (jobs, pages, latency) = (jobs(lab), lab.sizes.pages, latency(lab));
    let millis = format!("{}ms", latency.as_micros() as f64 / 1000.0);
    let site = lab.serve(&["serve", "slow-site", "--latency", &millis])?;
    let cells = cells(lab, Workload::Io, |row| match row.model {
        Model::Blocking => latency * (jobs * pages) as u32,
        _ => latency * pages as u32,
    })?;
    let run = |cell: &Cell| {
        let spec = CellSpec {
            addr: Some(site.addr()),
            ..spec(lab, Workload::Io, cell.row)
        };
        Ok(work_figures(&in_child(lab, spec, None)?))
    };
    // The site and the program are read and paged in by then.
    lab.begin("io, warming up");
    if let Some(fast) = cells.iter().find(|cell| cell.row.model != Model::Blocking) {
        run(fast)?;
    }
    let (trials, disturbance) = by_turns(lab, Workload::Io, &cells, &rounds(lab), run);
    let rows: Vec<Row> = cells.iter().map(|cell| cell.row).collect();
    let mut section = Section {
        title: "Fetching slow pages".to_owned(),
        settings: vec![
            format!(
                "{}, each fetches {} one after another, {} a page; at best {}",
                count(jobs, "job"),
                count(pages, "page"),
                seconds(latency.as_secs_f64()),
                seconds(latency.as_secs_f64() * pages as f64),
            ),
            format!(
                "mistakes: {} under tasks, each with one pause, look-up or page of {}",
                count(jobs, "job"),
                seconds(latency.as_secs_f64())
            ),
        ],
        ..table::work(Workload::Io, &rows, trials)
    };
    findings::add(&mut section);
    let more = match lab.models.contains(&Model::Tasks) {
        true => habits(lab, &site, &mut section),
        false => None,
    };
    noted(&mut section, [disturbance, more]);
    Ok(section)
}

/// Measures what mistakes in coroutines cost.
fn habits(lab: &Lab, site: &Server, section: &mut Section) -> Option<Disturbance> {
    let (jobs, latency) = (jobs(lab), latency(lab));
    let pairs = Habit::PAIRS.iter();
    let cells: Vec<(Habit, Duration)> = pairs
        .flat_map(|&(right, wrong)| [(right, latency), (wrong, latency * jobs as u32)])
        .collect();
    let rounds = Rounds {
        budget: rounds(lab).budget / 4,
        ..rounds(lab)
    };
    let run = |cell: &(Habit, Duration)| {
        let spec = HabitSpec {
            habit: cell.0,
            jobs,
            latency,
            site: site.addr(),
        };
        let done = lab.work(&Work::Habit(spec), None)?;
        let measured: Measured = serde_json::from_value(done.found)?;
        Ok(vec![measured.wall_s, measured.user_s + measured.system_s])
    };
    let (trials, disturbance) = by_turns(lab, Workload::Io, &cells, &rounds, run);
    let habits: Vec<Habit> = cells.iter().map(|cell| cell.0).collect();
    section.tables.push(table::habits(&habits, trials));
    findings::add_habits(section);
    disturbance
}

pub(super) fn computing(lab: &Lab) -> io::Result<Section> {
    let jobs = computing_jobs(lab);
    let estimate = Duration::from_millis(30) * (jobs as u32 + 1);
    let cells = cells(lab, Workload::Cpu, |_| estimate)?;
    let run = |cell: &Cell| {
        let spec = CellSpec {
            jobs,
            ..spec(lab, Workload::Cpu, cell.row)
        };
        Ok(work_figures(&in_child(lab, spec, None)?))
    };
    let (trials, disturbance) = by_turns(lab, Workload::Cpu, &cells, &rounds(lab), run);
    let rows: Vec<Row> = cells.iter().map(|cell| cell.row).collect();
    let mut section = Section {
        title: "Computing".to_owned(),
        settings: vec![format!(
            "{} of 7777^200000 by num-bigint",
            count(jobs, "job")
        )],
        ..table::work(Workload::Cpu, &rows, trials)
    };
    findings::add(&mut section);
    if cores().len() == 1 {
        section.warnings.push(
            "one core: nothing can compute beside anything else, so these times say nothing of machines with more"
                .to_owned(),
        );
    }
    noted(&mut section, [disturbance, None]);
    Ok(section)
}

/// A folder with the page of `http`, which goes when this value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        let path = std::env::temp_dir().join(format!("switchboard-lab-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        let folder = Folder(path);
        fs::write(folder.0.join("hello"), PAGE)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is a page of 13 bytes.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn serving(lab: &Lab, workload: Workload) -> io::Result<Section> {
    let duration = duration(lab);
    let cells = cells(lab, workload, |_| duration.mul_f64(2.7))?;
    let folder = Folder::new()?;
    let dir = folder.0.to_string_lossy().into_owned();
    let mut answers: Vec<(String, Answers)> = Vec::new();
    let run = |cell: &Cell| {
        let found = serve_cell(lab, workload, cell.row, &dir)?;
        let measured = found.answers.clone().unwrap_or_default();
        answers.push((cell.row.to_string(), measured.clone()));
        let at = |quantile| table::latency(&measured, quantile);
        let tail = [0.5, 0.99, 0.999].map(at);
        Ok([
            &[measured.per_s, measured.cpu_s][..],
            &tail,
            &[found.peak_rss_bytes as f64],
        ]
        .concat())
    };
    let (trials, disturbance) = by_turns(lab, workload, &cells, &rounds(lab), run);
    let rows: Vec<Row> = cells.iter().map(|cell| cell.row).collect();
    let (title, what) = match workload {
        Workload::Http => (
            "Serving small pages",
            "GET of a file of 13 bytes, by `serve files`".to_owned(),
        ),
        _ => (
            "Serving small messages",
            format!("messages of {MESSAGE} bytes, by `serve echo`"),
        ),
    };
    let each = seconds(duration.as_secs_f64());
    let mut section = Section {
        title: title.to_owned(),
        settings: vec![
            format!(
                "{}, which stay connected; {what}",
                count(lab.sizes.clients, "client")
            ),
            format!(
                "answers/s and CPU: a closed loop for {each}, each client asks when it is answered"
            ),
            format!(
                "latencies: an open loop for {each}, {} over all clients by a fixed schedule, from when each request \
                 was due",
                per_second(RATE)
            ),
            placed(),
        ],
        ..table::answers(workload, &rows, trials, &answers, lab.sizes.clients)
    };
    findings::add(&mut section);
    if cores().len() == 1 {
        section.warnings.push(
            "one core: the server and the load take it from each other, so rates and latencies are those of both \
             together, and say little of servers whose clients are elsewhere"
                .to_owned(),
        );
    }
    noted(&mut section, [disturbance, None]);
    Ok(section)
}

fn placed() -> String {
    match cores().len() {
        1 => "the server and the load on the one core".to_owned(),
        _ => "the server on one core, the load on another".to_owned(),
    }
}

/// Starts a server, and puts a load on it from another process.
fn serve_cell(lab: &Lab, workload: Workload, row: Row, dir: &str) -> io::Result<Measured> {
    let mut arguments = match workload {
        Workload::Http => vec!["serve", "files", dir],
        _ => vec!["serve", "echo"],
    };
    arguments.extend(["--model", row.model.name()]);
    if row.model.has_loop() {
        arguments.extend(["--driver", row.driver.name()]);
    }
    let slow = lab
        .slowed(row.model)
        .map(|slow| slow.as_millis().to_string());
    if let Some(slow) = slow.as_deref().filter(|_| workload == Workload::Echo) {
        arguments.extend(["--slow", slow]);
    }
    let server = lab.serve(&arguments)?;
    let cores = cores();
    let load_core = cores.get(1).copied();
    if load_core.is_some() {
        server.pin(cores[0])?;
    }
    let spec = CellSpec {
        addr: Some(server.addr()),
        server: Some(server.pid()),
        ..spec(lab, workload, row)
    };
    in_child(lab, spec, load_core)
}

/// Notes in a section what disturbed it.
fn noted(section: &mut Section, found: [Option<Disturbance>; 2]) {
    let worst = found.into_iter().flatten().reduce(Disturbance::worse);
    if let Some(worst) = worst {
        section.slowed = worst.factor();
        section.warnings.push(format!(
            "{}: rows may be slower than they are alone by a factor of up to {:.1}",
            worst.said(),
            section.slowed
        ));
    }
}

/// What came of a row: for the tables.
pub(super) fn ran(rows: &[Row], trials: Vec<Trial>) -> Vec<Ran> {
    let names = rows.iter().map(|row| (row.to_string(), *row));
    names
        .zip(trials)
        .map(|((name, row), trial)| Ran { name, row, trial })
        .collect()
}
