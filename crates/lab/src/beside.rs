//! `--beside python`: the same work in Python's own ways, beside ours.
//!
//! The scripts are in `beside/python`; each is run behind `work.py`, which has the work. A script whose packages are not
//! there is left out, and the row says so.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::children::{Server, Work};
use crate::compare::cell::CellSpec;
use crate::compare::measured::Measured;
use crate::compare::rows::Workload;
use crate::experiment::{Experiment, Lab};
use crate::machine::cores;
use crate::report::{
    Axis, Better, Column, Figure, Line, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit,
    Value,
};
use crate::rounds::{Rounds, Trial};
use crate::text::count;
use crate::unit;

/// What both sides do.
///
/// ```
/// use std::time::Duration;
/// use switchboard_lab::BesidePlan;
///
/// let plan = BesidePlan { jobs: 10, pages: 4, latency: Duration::from_millis(250) };
/// # drop(plan);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BesidePlan {
    /// Jobs of `io` and `cpu`.
    pub jobs: usize,
    /// Pages that each job of `io` fetches, one after another.
    pub pages: usize,
    /// The time that each page takes.
    pub latency: Duration,
}

/// A script, and the package that it needs beside the standard library.
struct Script {
    name: &'static str,
    text: &'static str,
    package: Option<&'static str>,
}

const WORK: &str = include_str!("../beside/python/work.py");

const SCRIPTS: [Script; 6] = [
    Script {
        name: "one at a time",
        text: include_str!("../beside/python/one_at_a_time.py"),
        package: None,
    },
    Script {
        name: "threads",
        text: include_str!("../beside/python/threads.py"),
        package: None,
    },
    Script {
        name: "processes",
        text: include_str!("../beside/python/processes.py"),
        package: None,
    },
    Script {
        name: "asyncio",
        text: include_str!("../beside/python/asyncio_tasks.py"),
        package: None,
    },
    Script {
        name: "gevent",
        text: include_str!("../beside/python/gevent_greenlets.py"),
        package: Some("gevent"),
    },
    Script {
        name: "Twisted",
        text: include_str!("../beside/python/twisted_deferreds.py"),
        package: Some("twisted"),
    },
];

/// Our rows beside them.
const OURS: [&str; 5] = ["blocking", "threads", "processes", "tasks", "green"];

/// What a script prints.
#[derive(Deserialize)]
struct Printed {
    wall_s: f64,
    cpu_s: f64,
    peak_rss_bytes: u64,
}

/// The program that runs the scripts.
const PYTHON: &str = "python3";

/// Runs the scripts for a workload, each once in each round, and blocks until all are done. `site` is the slow site of
/// `io`. Each row has wall time, processor time and memory; its name has the library and its version.
fn beside_python(lab: &Lab, workload: Workload, plan: &BesidePlan, site: SocketAddr) -> Vec<Line> {
    let python = match version("import platform; print(platform.python_version())") {
        Ok(version) => version,
        Err(error) => {
            return vec![left_out(
                "Python",
                format!("{PYTHON} cannot be run: {error}"),
            )];
        }
    };
    let mut lines = Vec::new();
    let mut there = Vec::new();
    for script in &SCRIPTS {
        let library = match script.package {
            None => Ok(format!("CPython {python}")),
            Some(package) => version(&format!(
                "import importlib.metadata as m; import {package}; print(m.version('{package}'))"
            ))
            .map(|version| format!("{version}, CPython {python}")),
        };
        match library {
            Ok(library) => there.push((script, format!("Python {} ({library})", script.name))),
            Err(_) => {
                let package = script.package.unwrap_or(PYTHON);
                let why = format!(
                    "{package} is not installed for {PYTHON}: `pip install {package}` adds it"
                );
                lines.push(left_out(&format!("Python {}", script.name), why));
            }
        }
    }
    let trials = rounds(lab).run(
        &there,
        |(_, name)| lab.begin(&format!("{workload} {name}")),
        |(script, _)| run_script(script, workload, plan, site),
    );
    let rows = there.iter().zip(trials);
    let mut rows: Vec<Line> = rows
        .map(|((_, name), trial)| line(name, Mark::Beside, trial))
        .collect();
    rows.append(&mut lines);
    rows
}

impl Experiment for BesidePlan {
    fn name(&self) -> &'static str {
        "beside"
    }

    fn question(&self) -> &'static str {
        "How do other languages do the same work?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        // One job after another takes most of the time, once on each side; a power takes CPython 0.2 s.
        let waits = self.latency * (self.jobs * self.pages) as u32;
        let computes = Duration::from_millis(200) * self.jobs as u32 * SCRIPTS.len() as u32;
        (waits * 3 + computes) * lab.by_effort(1, 3, 7)
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let latency = format!("{}ms", self.latency.as_millis());
        let site = lab.serve(&["serve", "slow-site", "--latency", &latency])?;
        let mut section = Section {
        title: "The same work in Python".to_owned(),
        settings: vec![
            format!(
                "io: {}, each {} one after another, {} a page; Python's asyncio speaks HTTP by hand, threads, processes and \
                 gevent by urllib",
                count(self.jobs, "job"),
                count(self.pages, "page"),
                unit::seconds(self.latency.as_secs_f64())
            ),
            format!(
                "cpu: {} of 7777^200000: ours by num-bigint, Python's by CPython's int; a difference between the two is the \
                 library's, and one between rows of the same side is the model's",
                count(self.jobs, "job")
            ),
            "the start of the interpreter and its imports are not counted; Python's memory is that of its first process"
                .to_owned(),
        ],
        ..Section::default()
    };
        for workload in [Workload::Io, Workload::Cpu] {
            let mut rows = ours(lab, workload, self, &site);
            rows.extend(beside_python(lab, workload, self, site.addr()));
            section.findings.extend(finding(workload, &rows));
            let skipped = rows
                .iter()
                .filter_map(|row| Some((&row.name, row.error.as_ref()?)));
            let skipped = skipped.map(|(name, error)| format!("{workload}, {name}: {error}"));
            section.warnings.extend(skipped);
            section.plots.push(plot(workload, &rows));
            section.tables.push(Table {
                title: workload.to_string(),
                rows_are: "model".to_owned(),
                columns: vec![
                    Column::new("wall", Unit::Seconds, Better::Less),
                    Column::new("CPU", Unit::Seconds, Better::Less),
                    Column::new("memory", Unit::Bytes, Better::Less),
                ],
                rows,
            });
        }
        Ok(section)
    }
}

fn rounds(lab: &Lab) -> Rounds {
    // Of fewer than three, no difference is beyond noise.
    let often = lab.by_effort(1, 3, 7);
    Rounds {
        least: often,
        most: often,
        budget: Duration::ZERO,
        narrow: 0.03,
    }
}

/// Returns what a line of Python prints, or why it does not.
fn version(line: &str) -> io::Result<String> {
    let output = Command::new(PYTHON)
        .args(["-c", line])
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(io::Error::other(last_line(&output.stderr))),
    }
}

/// The last line of what Python says is the error.
fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or("it said nothing").trim().to_owned()
}

fn run_script(
    script: &Script,
    workload: Workload,
    plan: &BesidePlan,
    site: SocketAddr,
) -> io::Result<Vec<f64>> {
    let (jobs, pages) = (plan.jobs.to_string(), plan.pages.to_string());
    let site = format!("http://{site}");
    let output = Command::new(PYTHON)
        .args(["-c", &format!("{WORK}\n{}", script.text)])
        .args([workload.name(), &jobs, &pages, &site])
        // A proxy would be asked for the site.
        .env("no_proxy", "*")
        .stdin(Stdio::null())
        .output()?;
    let printed: Printed = match serde_json::from_slice(&output.stdout) {
        Ok(printed) if output.status.success() => printed,
        _ => return Err(io::Error::other(last_line(&output.stderr))),
    };
    Ok(vec![
        printed.wall_s,
        printed.cpu_s,
        printed.peak_rss_bytes as f64,
    ])
}

/// Does the workload in our models.
fn ours(lab: &Lab, workload: Workload, plan: &BesidePlan, site: &Server) -> Vec<Line> {
    // Green threads have no row of `cpu`: they compute as tasks do.
    let rows = OURS
        .iter()
        .filter(|row| workload == Workload::Io || **row != "green");
    let rows: Vec<&str> = rows.copied().collect();
    let trials = rounds(lab).run(
        &rows,
        |row| lab.begin(&format!("{workload} {row}")),
        |row| {
            let spec = CellSpec {
                workload,
                row: (*row).to_owned(),
                jobs: plan.jobs,
                at_once: cores().len(),
                pages: plan.pages,
                clients: 0,
                message: 0,
                duration: Duration::ZERO,
                addr: Some(site.addr()),
                server: None,
                path: String::new(),
                rate: 0.0,
                slow: None,
            };
            let done = lab.work(&Work::Cell(spec), None)?;
            let measured: Measured = serde_json::from_value(done.found)?;
            let cpu = measured.user_s + measured.system_s;
            Ok(vec![measured.wall_s, cpu, done.peak_rss_bytes as f64])
        },
    );
    let named = rows.iter().zip(trials);
    named
        .map(|(row, trial)| line(row, Mark::Plain, trial))
        .collect()
}

fn line(name: &str, mark: Mark, trial: Trial) -> Line {
    let figures = trial
        .figures
        .into_iter()
        .map(|figure| figure.map(Value::Figure));
    let mut values: Vec<Option<Value>> = figures.collect();
    values.resize(3, None);
    Line {
        name: name.to_owned(),
        mark,
        values,
        error: trial.error,
    }
}

fn left_out(name: &str, why: String) -> Line {
    Line {
        name: name.to_owned(),
        mark: Mark::Beside,
        values: vec![None, None, None],
        error: Some(why),
    }
}

fn figure(row: &Line, at: usize) -> Option<&Figure> {
    match row.values.get(at)? {
        Some(Value::Figure(figure)) if row.error.is_none() => Some(figure),
        _ => None,
    }
}

/// Returns the sentence that compares the fastest row of each side.
fn finding(workload: Workload, rows: &[Line]) -> Option<String> {
    let fastest = |mark| {
        let of_it = rows.iter().filter(|row| row.mark == mark);
        let timed =
            of_it.filter_map(|row| Some((row.name.as_str(), figure(row, 0)?, figure(row, 1)?)));
        timed.min_by(|a, b| a.1.median().total_cmp(&b.1.median()))
    };
    let (ours, theirs) = (fastest(Mark::Plain)?, fastest(Mark::Beside)?);
    let said = |side: &(&str, &Figure, &Figure)| {
        let times = [side.1, side.2].map(|each| unit::seconds(each.median()));
        // The sentence says whose it is.
        let name = side.0.strip_prefix("Python ").unwrap_or(side.0);
        format!("{name} ({}, {} of processor time)", times[0], times[1])
    };
    let few = ours.1.samples().len().min(theirs.1.samples().len()) < 3;
    let doubt = match ours.1.differs_from(theirs.1) {
        true => "",
        false if few => "; these are too few runs to tell whether the difference is noise",
        false => "; the wall times differ within noise",
    };
    Some(format!(
        "{workload}: the fastest of ours was {}, the fastest of Python's {}{doubt}",
        said(&ours),
        said(&theirs)
    ))
}

fn plot(workload: Workload, rows: &[Line]) -> Plot {
    let of = |mark, name: &str| {
        let rows = rows.iter().filter(move |row| row.mark == mark);
        Series {
            name: name.to_owned(),
            points: rows
                .filter_map(|row| Some(Point::bar(&row.name, figure(row, 0)?)))
                .collect(),
        }
    };
    Plot {
        title: format!("{workload}: wall time, ours and Python's"),
        caption: "One bar for each model of ours and each way of Python's; shorter is faster."
            .to_owned(),
        kind: PlotKind::Bars,
        x: Axis::linear("model", Unit::Text),
        y: Axis::linear("wall", Unit::Seconds),
        series: vec![of(Mark::Plain, "ours"), of(Mark::Beside, "Python")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_python_is_its_last_line() {
        let text = b"Traceback:\n  File\nModuleNotFoundError: No module named 'x'\n\n";
        assert_eq!(last_line(text), "ModuleNotFoundError: No module named 'x'");
        assert_eq!(last_line(b""), "it said nothing");
    }

    #[test]
    fn the_fastest_of_each_side_are_compared() {
        let row = |name: &str, mark, wall: f64| Line {
            name: name.to_owned(),
            mark,
            values: [wall, 0.5, 1.0]
                .map(|each| Figure::once(each).map(Value::Figure))
                .into(),
            error: None,
        };
        let mut rows = vec![row("a", Mark::Plain, 2.0), row("b", Mark::Plain, 1.0)];
        assert_eq!(finding(Workload::Io, &rows), None);
        rows.extend([
            row("Python p", Mark::Beside, 3.0),
            left_out("q", "no".to_owned()),
        ]);
        let said = finding(Workload::Io, &rows).unwrap();
        assert_eq!(
            said,
            "io: the fastest of ours was b (1 s, 500 ms of processor time), the fastest of Python's p (3 s, 500 ms \
             of processor time); these are too few runs to tell whether the difference is noise"
        );
    }
}
