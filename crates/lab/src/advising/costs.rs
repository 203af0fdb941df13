//! What the models cost on this machine: measured in a short run, or read from a report.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use switchboard_runtime::{
    self as runtime, Driver, Model, offload_stats, process_capacity, thread_capacity,
};

use crate::experiment::{Experiment, Lab};
use crate::folklore::{bytes_per_connection, echo_turn, start_echo};
use crate::machine::{Machine, machine};
use crate::report::{Better, Column, Figure, Line, Report, Section, Table, Unit, Value};
use crate::rounds::Rounds;
use crate::usage::Usage;

use crate::children::Work;

/// The cost of one model, and how far it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The model and its driver: `tasks/epoll`.
    pub row: String,
    /// Seconds of processor time for a round trip of a small message.
    pub trip: Figure,
    /// Bytes of memory of an idle connection, without its socket's.
    pub bytes: Figure,
    /// The most connections that one process has.
    pub most: u64,
    /// What limits them.
    pub limit: String,
}

/// What is known of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// The machine that was measured.
    pub machine: Machine,
    /// The models that could be measured.
    pub rows: Vec<Cost>,
    /// The threads that `run_blocking` has at once before it waits.
    pub offload_threads: u64,
    /// Seconds of processor time for handing a job to a thread and taking its result.
    pub offload_s: f64,
}

/// The name of the experiment, and of its section in a report.
const NAME: &str = "costs";
const TRIP: &str = "CPU per round trip";
const MEMORY: &str = "memory per connection";
const MOST: &str = "most connections";
const LIMIT: &str = "limited by";
const OFFLOAD: &str = "run_blocking";
const THREADS: &str = "threads at once";
const HAND_OVER: &str = "CPU per job";

/// The first descriptor that `select` cannot watch, less what a server needs itself.
const SELECT_MOST: u64 = 1024 - 32;

/// Connections that are measured, of processes fewer.
const IDLE: usize = 400;
const IDLE_PROCESSES: usize = 40;
const ACTIVE: usize = 50;

impl Costs {
    /// Measures this machine and blocks until it is done, about ten seconds.
    ///
    /// # Errors
    /// One line if no model could be measured.
    pub fn measure(lab: &Lab) -> io::Result<Costs> {
        let section = CostsOfModels.run(lab)?;
        let missing = || io::Error::other("no model could be measured");
        Costs::of_section(&section, machine()).ok_or_else(missing)
    }

    /// Returns the costs that a report has; `None` if it has no section `costs`, or none with figures.
    pub fn of_report(report: &Report) -> Option<Costs> {
        let section = report
            .sections
            .iter()
            .find(|each| each.experiment == NAME)?;
        Costs::of_section(section, report.machine.clone())
    }

    fn of_section(section: &Section, machine: Machine) -> Option<Costs> {
        let [models, offload] = section.tables.as_slice() else {
            return None;
        };
        let rows = models.rows.iter().filter_map(|line| {
            let limit = match line.values.last()? {
                Some(Value::Text(text)) => text.clone(),
                _ => return None,
            };
            Some(Cost {
                trip: models.figure(&line.name, TRIP)?.clone(),
                bytes: models.figure(&line.name, MEMORY)?.clone(),
                most: models.figure(&line.name, MOST)?.median() as u64,
                row: line.name.clone(),
                limit,
            })
        });
        let rows: Vec<Cost> = rows.collect();
        let of = |column| offload.figure(OFFLOAD, column).map(Figure::median);
        (!rows.is_empty()).then_some(Costs {
            machine,
            rows,
            offload_threads: of(THREADS).unwrap_or(0.0) as u64,
            offload_s: of(HAND_OVER).unwrap_or(0.0),
        })
    }

    /// Returns the cost of a row by its name.
    pub fn row(&self, name: &str) -> Option<&Cost> {
        self.rows.iter().find(|each| each.row == name)
    }
}

/// The experiment `costs`.
#[derive(Debug)]
pub(crate) struct CostsOfModels;

impl Experiment for CostsOfModels {
    fn name(&self) -> &'static str {
        NAME
    }

    fn question(&self) -> &'static str {
        "What does a connection cost under each model? `advise` computes with it."
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        Duration::from_millis(400) * (rows(lab).len() * rounds(lab).most) as u32
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let rows = rows(lab);
        let trials = rounds(lab).run(
            &rows,
            |row| lab.begin(&format!("costs {row}")),
            |row| {
                let idle = if row == "processes" {
                    IDLE_PROCESSES
                } else {
                    IDLE
                };
                let server = start_echo(lab, row)?;
                let trip = echo_turn(&server, ACTIVE, 64)?[0];
                Ok(vec![trip, bytes_per_connection(lab, row, idle)?])
            },
        );
        lab.end(self.estimate(lab));
        let offload = lab.work(&Work::Offload, None);
        let offload = offload.and_then(|done| Ok(serde_json::from_value::<[f64; 2]>(done.found)?));
        let mut section = Section {
            experiment: NAME.to_owned(),
            title: "What does a connection cost?".to_owned(),
            settings: vec![format!(
                "echo servers with {ACTIVE} clients of 64 bytes, and with {IDLE} idle connections ({IDLE_PROCESSES} under \
                 `processes`); without the memory of sockets, which is the same under every model"
            )],
            ..Section::default()
        };
        let lines = rows.iter().zip(trials).map(|(row, trial)| {
            let (most, limit) = limit_of(row);
            let value = |at: usize| trial.figures.get(at).cloned().flatten().map(Value::Figure);
            Line {
                name: row.clone(),
                values: vec![
                    value(0),
                    value(1),
                    Figure::once(most as f64).map(Value::Figure),
                    Some(Value::Text(limit)),
                ],
                error: trial.error,
                ..Line::default()
            }
        });
        section.tables.push(Table {
            title: "Models".to_owned(),
            rows_are: "model".to_owned(),
            columns: vec![
                Column::new(TRIP, Unit::Seconds, Better::Less),
                Column::new(MEMORY, Unit::Bytes, Better::Less),
                Column::new(MOST, Unit::Count, Better::More),
                Column::new(LIMIT, Unit::Text, Better::Neither),
            ],
            rows: lines.collect(),
        });
        section
            .tables
            .push(offload_table(offload, &mut section.warnings));
        Ok(section)
    }
}

fn offload_table(found: io::Result<[f64; 2]>, warnings: &mut Vec<String>) -> Table {
    let (values, error) = match found {
        Ok(found) => (
            found
                .map(|each| Figure::once(each).map(Value::Figure))
                .into(),
            None,
        ),
        Err(error) => {
            warnings.push(format!("`run_blocking` could not be measured: {error}"));
            (vec![None, None], Some(error.to_string()))
        }
    };
    Table {
        title: "Blocking work beside a loop".to_owned(),
        rows_are: "pool".to_owned(),
        columns: vec![
            Column::new(THREADS, Unit::Count, Better::More),
            Column::new(HAND_OVER, Unit::Seconds, Better::Less),
        ],
        rows: vec![Line {
            name: OFFLOAD.to_owned(),
            values,
            error,
            ..Line::default()
        }],
    }
}

fn rounds(lab: &Lab) -> Rounds {
    Rounds {
        // With fewer than three samples of each, no two rows differ.
        least: lab.by_effort(3, 3, 7),
        most: lab.by_effort(4, 5, 15),
        budget: lab.by_effort(
            Duration::from_secs(6),
            Duration::from_secs(12),
            Duration::from_secs(60),
        ),
        narrow: 0.05,
    }
}

/// Returns the rows that are measured: the models of the lab that keep more than one connection, with the drivers of
/// this machine.
fn rows(lab: &Lab) -> Vec<String> {
    let best = Driver::best();
    let mut rows = Vec::new();
    for model in &lab.models {
        match model {
            Model::Threads | Model::Processes => rows.push(model.name().to_owned()),
            Model::Green | Model::Callbacks => rows.push(format!("{model}/{best}")),
            Model::Tasks => {
                let drivers = [best, Driver::Uring, Driver::Select];
                let drivers = drivers.iter().filter(|each| each.open().is_ok());
                rows.extend(drivers.map(|driver| format!("{model}/{driver}")));
            }
            // One connection, or as many as the pool has threads: no model for many.
            Model::Blocking | Model::Pool => {}
        }
    }
    rows.dedup();
    rows
}

/// Returns the most connections of a row, and what limits them.
fn limit_of(row: &str) -> (u64, String) {
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let descriptors = (
        descriptors.saturating_sub(32),
        "RLIMIT_NOFILE, the descriptors of a process",
    );
    let own = match row {
        "threads" => thread_capacity(),
        "processes" => process_capacity(),
        _ if row.ends_with("/select") => (SELECT_MOST as usize, "FD_SETSIZE of select"),
        _ => (usize::MAX, ""),
    };
    let (most, limit) = match own.0 as u64 {
        own_most if own_most < descriptors.0 => (own_most, own.1),
        _ => descriptors,
    };
    (most, limit.to_owned())
}

/// Measures the pool of `run_blocking` in this process: how many of its threads wait at once, and the processor time
/// in seconds of a job that does nothing.
pub(crate) fn offload() -> io::Result<[f64; 2]> {
    const WAITING: usize = 100;
    const JOBS: usize = 2000;
    Model::Tasks.run(async {
        // Each holds a thread until the channel closes.
        let (open, closed) = std::sync::mpsc::sync_channel::<()>(0);
        let closed = std::sync::Arc::new(std::sync::Mutex::new(closed));
        let wait = || {
            let closed = closed.clone();
            runtime::run_blocking(move || closed.lock().map(|closed| closed.recv().is_ok()).is_ok())
        };
        let waiting: Vec<_> = (0..WAITING).map(|_| wait()).collect();
        // Those beyond the pool's size wait in its queue, where they are at once.
        let busy = offload_stats().busy;
        drop(open);
        let failed = |error: runtime::JoinError| io::Error::other(error.to_string());
        for job in waiting {
            job.await.map_err(failed)?;
        }
        let before = Usage::of_self();
        for _ in 0..JOBS {
            runtime::run_blocking(|| ()).await.map_err(failed)?;
        }
        let after = Usage::of_self();
        let cpu = (after.user + after.system).saturating_sub(before.user + before.system);
        Ok([busy as f64, cpu.as_secs_f64() / JOBS as f64])
    })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Effort;

    #[test]
    fn the_least_samples_of_each_row_can_tell_two_rows_apart() {
        for effort in [Effort::Quick, Effort::Usual, Effort::Thorough] {
            let lab = Lab::new("none".into(), effort, Vec::new(), Duration::ZERO);
            let least = rounds(&lab).least;
            let of = |value: f64| Figure::of(vec![value; least]).unwrap();
            assert!(
                of(1.0).differs_from(&of(2.0)),
                "{effort:?}: {least} samples"
            );
        }
    }
}
