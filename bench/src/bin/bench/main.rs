//! `bench`: contenders against a reference, each under each load; a markdown table on stdout, JSON where
//! `--json FILE` says. bench/README.md has the options.

mod churn;
mod handshakes;
mod idle;
mod loads;
mod micro;
mod noise;
mod options;
mod show;
mod table;
mod turns;

use std::io;
use std::time::Duration;

use loads::{Load, Work};
use micro::Runs;
use options::{Contenders, Options};
use switchboard_bench::contenders::Contender;
use switchboard_bench::site::Site;
use turns::Figures;

/// One contender under one load.
#[derive(serde::Serialize)]
pub(crate) struct Cell<T> {
    load: &'static str,
    contender: String,
    runs: Vec<T>,
    /// Why it can't run here.
    skipped: Option<String>,
    errors: Vec<String>,
}

/// The report of a run: the machine, and the results of each load.
#[derive(Default, serde::Serialize)]
struct Report {
    machine: String,
    cells: Vec<Cell<Figures>>,
    idle: Vec<Cell<f64>>,
    micro: Runs,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options::read()?;
    switchboard_bench::apart::apart()?;
    let loads = options.loads()?;
    let site = Site::new()?;
    let cores = switchboard_lab::cores();
    let mut report = Report {
        machine: table::header(),
        ..Report::default()
    };
    if let Some(core) = cores.get(1) {
        switchboard_lab::pin(None, *core)?;
    }
    for load in loads {
        let contenders = options.contenders(load)?;
        if options.show {
            for contender in [&contenders.0].into_iter().chain(&contenders.1) {
                show::show(load, contender, &site, cores[0]);
            }
            continue;
        }
        measure(load, &contenders, &options, &site, &cores, &mut report)?;
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

/// Measures one load, and prints its table.
fn measure(
    load: &Load,
    (reference, chosen): &Contenders,
    options: &Options,
    site: &Site,
    cores: &[usize],
    report: &mut Report,
) -> io::Result<()> {
    let header = format!("{}; against {}", report.machine, reference.name);
    match load.work {
        Work::Loops(..) | Work::Churn(_) | Work::Handshakes => {
            let again = reference.called(format!("{} again", reference.name));
            let all: Vec<&Contender> = [&again].into_iter().chain(chosen).collect();
            let driven = Duration::from_secs_f64(options.seconds);
            let row = rounds(load, &all, options, |contender| {
                turns::run(reference, contender, load, site, cores, driven)
            });
            print!("{}", table::of(&header, load, &row));
            report.cells.extend(row);
        }
        Work::Idle(connections, ask) => {
            let all: Vec<&Contender> = [reference].into_iter().chain(chosen).collect();
            let row = rounds(load, &all, options, |contender| {
                let server = contender.start(cores[0], &[], site, None)?;
                idle::run(&server, connections, ask)
            });
            print!("{}", table::of_idle(&header, load, &row));
            report.idle.extend(row);
        }
        Work::Micro => {
            report.micro = micro::run(options.rounds, cores)?;
            print!("{}", table::of_micro(&header, load, &report.micro));
        }
    }
    Ok(())
}

/// All contenders in each round, so that a machine that drifts hits all alike.
fn rounds<T>(
    load: &Load,
    contenders: &[&Contender],
    options: &Options,
    mut run: impl FnMut(&Contender) -> io::Result<T>,
) -> Vec<Cell<T>> {
    let cell = |one: &&Contender| Cell {
        load: load.name,
        contender: one.name.clone(),
        runs: Vec::new(),
        skipped: one.missing.clone(),
        errors: Vec::new(),
    };
    let mut row: Vec<Cell<T>> = contenders.iter().map(cell).collect();
    for round in 1..=options.rounds {
        let both = contenders.iter().zip(&mut row);
        for (contender, cell) in both.filter(|(_, cell)| cell.skipped.is_none()) {
            let (name, of) = (&contender.name, options.rounds);
            eprint!("\r\x1b[K{} {round}/{of}: {name}", load.name);
            match run(contender) {
                Ok(figures) => cell.runs.push(figures),
                Err(error) => cell.errors.push(error.to_string()),
            }
        }
    }
    eprint!("\r\x1b[K");
    row
}
