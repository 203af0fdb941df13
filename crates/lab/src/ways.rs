//! The ways to serve that experiments compare: models, each with its drivers.

use std::time::{Duration, Instant};

use switchboard_runtime::{Driver, Model};

use crate::Server;
use crate::compare::rows::{ComputeIn, Row};
use crate::experiment::Lab;
use crate::machine::cores;

/// Returns the models of a lab, `tasks` under each of the drivers and other models with a loop under the best one.
pub(crate) fn ways(models: &[Model], drivers: &[Driver]) -> Vec<Row> {
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
    ways
}

/// Starts `switchboard serve ARGUMENTS…` in a way, on the first core if there are several.
pub(crate) fn serve(lab: &Lab, row: Row, arguments: &[&str]) -> std::io::Result<Server> {
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

/// Fails once an experiment has taken longer than its effort allows, so that a busy machine does not hold it for ever.
pub(crate) fn in_time(lab: &Lab, start: Instant) -> std::io::Result<()> {
    let most = Duration::from_secs(lab.by_effort(25, 90, 3_600));
    if start.elapsed() < most {
        return Ok(());
    }
    let text = format!(
        "not run: the experiment had taken {} s before",
        most.as_secs()
    );
    Err(std::io::Error::other(text))
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
        let found = ways(
            &[Model::Threads, Model::Tasks],
            &[Driver::Select, Driver::Poll],
        );
        let names: Vec<String> = found.iter().map(Row::to_string).collect();
        assert_eq!(names, ["threads", "tasks/select", "tasks/poll"]);
    }
}
