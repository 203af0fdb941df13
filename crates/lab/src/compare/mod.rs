//! The experiments that compare models: the same work under each, every cell in a process of its own, by turns.

pub(crate) mod advise;
pub(crate) mod cell;
pub(crate) mod cpu;
mod findings;
mod habits;
pub(crate) mod measured;
pub(crate) mod mistakes;
pub(crate) mod rows;
mod run;
mod serve;
mod table;
mod work;

use std::io;
use std::time::Duration;

use crate::experiment::{Effort, Experiment, Lab};
use crate::report::Section;
use crate::rounds::Rounds;

use rows::{Row, Workload, rows};
use switchboard_runtime::Driver;

/// Fetching pages from a slow site.
pub(crate) struct Io;
/// Computing big powers.
pub(crate) struct Cpu;
/// Serving small messages.
pub(crate) struct Echo;
/// Serving small pages.
pub(crate) struct Http;

impl Experiment for Io {
    fn name(&self) -> &'static str {
        "io"
    }

    fn question(&self) -> &'static str {
        "How fast are slow pages fetched under each model?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        // The blocking row and the one with the lock take all waits one after another; six others take one job's.
        let waits = jobs(lab) as u32 * lab.sizes.pages as u32;
        let round = latency(lab) * (waits + lab.sizes.pages as u32 * 8) + START * 7;
        let habits = latency(lab) * (jobs(lab) as u32 * 3 + 3) + START * 6;
        (round + habits) * rounds(lab).least as u32
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        work::fetching(lab)
    }
}

impl Experiment for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn question(&self) -> &'static str {
        "How fast are big numbers computed under each model?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        let cells = chosen(lab, Workload::Cpu).len() as u32;
        let each = Duration::from_millis(30) * (computing_jobs(lab) as u32 + 1) + START;
        each * cells * rounds(lab).least as u32
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        work::computing(lab)
    }
}

impl Experiment for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn question(&self) -> &'static str {
        "How many small messages does a server answer under each model?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        serving(lab, Workload::Echo)
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        serve::serving(lab, Workload::Echo)
    }
}

impl Experiment for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn question(&self) -> &'static str {
        "How many small pages does a server answer under each model?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        serving(lab, Workload::Http)
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        serve::serving(lab, Workload::Http)
    }
}

/// The time that it takes to start the processes of a cell.
const START: Duration = Duration::from_millis(60);

fn serving(lab: &Lab, workload: Workload) -> Duration {
    let each = duration(lab).mul_f64(2.4) + START * 3;
    each * chosen(lab, workload).len() as u32 * rounds(lab).least as u32
}

/// Returns how often the cells are run.
fn rounds(lab: &Lab) -> Rounds {
    // Fewer than six samples have no interval of 95 %.
    let least = lab.by_effort(3, 6, 6);
    let budget = Duration::from_secs(lab.by_effort(5, 30, 300));
    Rounds {
        least,
        most: lab.by_effort(5, 12, 400),
        budget,
        narrow: lab.by_effort(0.10, 0.04, 0.02),
    }
}

fn jobs(lab: &Lab) -> usize {
    lab.sizes.jobs.unwrap_or(10)
}

/// Returns the number of jobs that compute: enough for some cores.
fn computing_jobs(lab: &Lab) -> usize {
    lab.sizes.jobs.unwrap_or(lab.by_effort(4, 10, 10))
}

fn latency(lab: &Lab) -> Duration {
    let millis = lab.by_effort(20, 60, 250);
    lab.sizes.latency.unwrap_or(Duration::from_millis(millis))
}

fn duration(lab: &Lab) -> Duration {
    let millis = lab.by_effort(80, 200, 1000);
    lab.sizes.duration.unwrap_or(Duration::from_millis(millis))
}

/// Returns the rows of a workload under the models that were asked for. Where there is little time, the drivers that
/// servers are rarely run with are left out.
fn chosen(lab: &Lab, workload: Workload) -> Vec<Row> {
    let rare = |row: &Row| {
        let usual = [Driver::best(), Driver::Uring];
        row.model.has_loop() && !usual.contains(&row.driver)
    };
    let mut rows = rows(workload);
    rows.retain(|row| lab.models.contains(&row.model));
    rows.retain(|row| lab.effort != Effort::Quick || !rare(row));
    rows.retain(|row| row.left_out().is_none());
    rows
}

/// Says which rows are left out because this machine has no such driver.
fn left_out(lab: &Lab, workload: Workload) -> Vec<String> {
    let asked = rows(workload)
        .into_iter()
        .filter(|row| lab.models.contains(&row.model));
    asked.filter_map(|row| row.left_out()).collect()
}
