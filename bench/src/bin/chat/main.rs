//! `chat`: chat servers beside each other, with thousands of clients: what they cost to connect and to keep, what a
//! delivered message costs, how late it comes, and what one client that reads nothing does to the others.
//! bench/README.md has the options.

mod connect;
mod crowd;
mod echo;
mod frame;
mod frozen;
mod options;
mod rooms;
mod side;
mod table;
mod talk;
mod wires;
mod worker;

use std::error::Error;
use std::io;

use switchboard_bench::apart;
use switchboard_bench::contenders::{Contender, Service};
use switchboard_bench::site::Site;

use options::{Options, options};

/// One contender under one load.
#[derive(serde::Serialize)]
pub struct Cell<T> {
    load: String,
    contender: String,
    runs: Vec<T>,
    /// Why it can't run here, or did not.
    errors: Vec<String>,
}

impl<T> Cell<T> {
    /// Returns one thing that the runs found, under a name of its own.
    fn map<U>(&self, load: &str, of: impl Fn(&T) -> Result<U, String>) -> Cell<U> {
        let mut errors = self.errors.clone();
        let found = self.runs.iter().map(of);
        let runs = found.filter_map(|one| one.map_err(|error| errors.push(error)).ok());
        Cell {
            load: load.to_owned(),
            contender: self.contender.clone(),
            runs: runs.collect(),
            errors,
        }
    }
}

/// The figures of a run, as `--json` writes them.
#[derive(Default, serde::Serialize)]
struct Report {
    machine: String,
    cells: Vec<serde_json::Value>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    if let Some(target) = options.target {
        return Ok(worker::run(target)?);
    }
    apart::apart()?;
    let mut report = Report {
        machine: table::header(),
        ..Report::default()
    };
    println!("{}", report.machine);
    switchboard_lab::pin(None, options.cores.1)?;
    let site = Site::new()?;
    for load in &options.loads {
        let service = match load.as_str() {
            "echo" => Service::WebSocket,
            "frozen" => Service::Frozen,
            _ => Service::Chat,
        };
        let contenders = options.contenders(service)?;
        match load.as_str() {
            "connect" => report.add(&connect::measure(&contenders, &options, &site))?,
            "talk" => talk::measure(&contenders, &options, &site, &mut report)?,
            "frozen" => report.add(&frozen::measure(&contenders, &options, &site))?,
            _ => echo::measure(&contenders, &options, &site, &mut report)?,
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

impl Report {
    fn add<T: serde::Serialize>(&mut self, cells: &[Cell<T>]) -> serde_json::Result<()> {
        for cell in cells {
            self.cells.push(serde_json::to_value(cell)?);
        }
        Ok(())
    }
}

/// All contenders in each round, so that a machine that drifts hits all alike.
fn rounds<T>(
    load: &str,
    contenders: &[&Contender],
    options: &Options,
    mut run: impl FnMut(&Contender) -> io::Result<T>,
) -> Vec<Cell<T>> {
    let cell = |one: &&Contender| Cell {
        load: load.to_owned(),
        contender: one.name.clone(),
        runs: Vec::new(),
        errors: one.missing.iter().cloned().collect(),
    };
    let mut row: Vec<Cell<T>> = contenders.iter().map(cell).collect();
    for round in 1..=options.rounds {
        let both = contenders.iter().zip(&mut row);
        for (contender, cell) in both.filter(|(one, _)| one.missing.is_none()) {
            eprint!(
                "\r\x1b[K{load} {round}/{}: {}",
                options.rounds, contender.name
            );
            match run(contender) {
                Ok(figures) => cell.runs.push(figures),
                Err(error) => cell.errors.push(error.to_string()),
            }
        }
    }
    eprint!("\r\x1b[K");
    row
}
