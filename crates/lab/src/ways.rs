//! The ways to serve that experiments compare: models, each with its drivers.

use std::io;
use std::time::{Duration, Instant};

use switchboard_runtime::{Driver, Model};

use crate::Server;
use crate::compare::rows::{ComputeIn, Row};
use crate::experiment::{Experiment, Lab};
use crate::machine::{cores, pin};
use crate::rounds::{Rounds, Trial};

/// Returns the models of a lab, `tasks` under each of the drivers and other models with a loop under the best one. Warns
/// of those that are left out, since this machine has no such driver.
pub(crate) fn ways(models: &[Model], drivers: &[Driver], warnings: &mut Vec<String>) -> Vec<Row> {
    let row = |model, driver| Row {
        model,
        driver,
        compute_in: ComputeIn::ModelDefault,
    };
    let mut ways = Vec::new();
    for &model in models {
        match model {
            Model::Tasks => ways.extend(drivers.iter().map(|&driver| row(model, driver))),
            _ => ways.push(row(model, Driver::best())),
        }
    }
    ways.retain(|row| match row.left_out() {
        Some(why) => {
            warnings.push(format!("{why}."));
            false
        }
        None => true,
    });
    ways
}

/// Starts `switchboard serve ARGUMENTS…` in a way, on the first core if there are several.
pub(crate) fn serve(lab: &Lab, row: Row, arguments: &[&str]) -> io::Result<Server> {
    let mut all = vec!["serve"];
    all.extend(arguments);
    all.extend(["--model", row.model.name()]);
    if row.model.has_loop() {
        all.extend(["--driver", row.driver.name()]);
    }
    let server = lab.serve(&all)?;
    let cores = cores();
    if cores.len() > 1 {
        server.pin(cores[0])?;
    }
    Ok(server)
}

/// What came of one row, and what its last run found.
pub(crate) type Turn<F> = (Trial, Option<F>);

/// Runs the rows of an experiment by turns; `one` returns what a run found and its figures, the deciding one first. Once
/// the experiment has taken longer than its effort allows, rows that have not run yet fail, so that a busy machine does not
/// hold it for ever.
pub(crate) fn by_turns<R, F>(
    lab: &Lab,
    experiment: &dyn Experiment,
    rounds: &Rounds,
    rows: &[R],
    name: impl Fn(&R) -> String,
    one: impl Fn(&R) -> io::Result<(F, Vec<f64>)>,
) -> Vec<Turn<F>> {
    let start = Instant::now();
    let most = Duration::from_secs(lab.by_effort(15, 75, 3_600));
    let took = experiment.estimate(lab) / rows.len().max(1) as u32;
    let mut last: Vec<Option<F>> = rows.iter().map(|_| None).collect();
    let cells: Vec<usize> = (0..rows.len()).collect();
    let trials = rounds.run(
        &cells,
        |&at| lab.begin(&format!("{} {}", experiment.name(), name(&rows[at]))),
        |&at| {
            if last[at].is_none() && start.elapsed() >= most {
                return Err(io::Error::other(format!(
                    "not run: the experiment had taken {} s before",
                    most.as_secs()
                )));
            }
            let found = one(&rows[at]);
            lab.end(took);
            let (found, figures) = found?;
            last[at] = Some(found);
            Ok(figures)
        },
    );
    trials.into_iter().zip(last).collect()
}

/// Returns the warning of a machine on which the server shares its core with its clients.
pub(crate) fn one_core() -> Option<String> {
    let text = "one core: the server and the load take it from each other, so rates and latencies are those of both together, and \
                say little of servers whose clients are elsewhere";
    (cores().len() < 2).then(|| text.to_owned())
}

/// Runs a load in a thread of its own, on the core that servers leave it, and blocks until it has ended.
pub(crate) fn on_load_core<T: Send>(load: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let run = || {
        if let Some(core) = load_core() {
            pin(None, core)?;
        }
        load()
    };
    let died = |_| io::Error::other("the load ended early");
    std::thread::scope(|scope| scope.spawn(run).join().map_err(died)?)
}

/// Returns the core of the clients; `None` if they share one with the server.
pub(crate) fn load_core() -> Option<usize> {
    cores().get(1).copied()
}

/// Returns what a client more takes of memory at most, user and kernel together, in bytes: for deciding how many are
/// safe, not for reports.
pub(crate) fn memory_of_one(model: Model) -> u64 {
    match model {
        Model::Threads => 96 << 10,
        Model::Processes => 3 << 20,
        _ => 32 << 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_has_each_driver_and_others_one() {
        let mut warnings = Vec::new();
        let found = ways(
            &[Model::Threads, Model::Tasks],
            &[Driver::Select, Driver::Poll],
            &mut warnings,
        );
        let names: Vec<String> = found.iter().map(Row::to_string).collect();
        assert_eq!(names, ["threads", "tasks/select", "tasks/poll"]);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
