//! What the runs of the experiments that compare models share.

use std::io;
use std::time::Duration;

use super::cell::CellSpec;
use super::measured::{Measured, median};
use super::rows::{Row, Workload};
use super::table;
use super::{chosen, duration, jobs};
use crate::children::Work;
use crate::experiment::Lab;
use crate::machine::cores;
use crate::report::{Better, Section};
use crate::rounds::{Rounds, Step, Trial};
use crate::unit;
use crate::watch::Disturbance;

/// Bytes of an echo message.
pub(super) const MESSAGE: usize = 64;
/// Requests a second in open loops: few enough for each model.
pub(super) const RATE: f64 = 2000.0;

/// A cell of an experiment, as it is run and shown.
pub(super) trait Shown {
    fn name(&self) -> String;
    fn estimate(&self) -> Duration;
}

pub(super) struct Cell {
    pub(super) row: Row,
    pub(super) estimate: Duration,
}

impl Shown for Cell {
    fn name(&self) -> String {
        self.row.to_string()
    }

    fn estimate(&self) -> Duration {
        self.estimate
    }
}

/// Runs cells by turns, and shows what is done. The first figure of a run decides which is the best.
pub(super) fn by_turns<C: Shown>(
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
        (!first.is_empty()).then(|| median(first))
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
        Better::More => format!("{} {}", cell.name(), unit::per_second(median)),
        _ => format!("{} {}", cell.name(), unit::seconds(median)),
    })
}

/// Returns the rows to run, or says that there is none.
pub(super) fn cells(
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

pub(super) fn spec(lab: &Lab, workload: Workload, row: Row) -> CellSpec {
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
pub(super) fn in_child(lab: &Lab, spec: CellSpec, core: Option<usize>) -> io::Result<Measured> {
    let server = spec.server.is_some();
    let done = lab.work(&Work::Cell(spec), core)?;
    let mut measured: Measured = serde_json::from_value(done.found)?;
    if !server {
        measured.peak_rss_bytes = done.peak_rss_bytes;
    }
    Ok(measured)
}

/// Notes in a section what disturbed it.
pub(super) fn noted(section: &mut Section, found: [Option<Disturbance>; 2]) {
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
