//! `bench`: contenders against a reference, each under each load; a markdown table on stdout, JSON where
//! `--json FILE` says. bench/README.md has the options.

mod churn;
mod idle;
mod loads;
mod micro;
mod noise;
mod options;
mod table;
mod turns;

use std::io;
use std::time::Duration;

use loads::{Load, Work};
use options::Options;
use switchboard_bench::contenders::{self, Contender};

/// One contender under one load.
#[derive(serde::Serialize)]
pub(crate) struct Cell<T> {
    load: &'static str,
    contender: String,
    runs: Vec<T>,
    errors: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options::read()?;
    apart()?;
    let (reference, chosen) = options.contenders()?;
    let header = table::header(&reference.name);
    let cores = switchboard_lab::cores();
    if let Some(core) = cores.get(1) {
        switchboard_lab::pin(None, *core)?;
    }
    let again = reference.called(format!("{} again", reference.name));
    let (mut cells, mut idle, mut micro) = (Vec::new(), Vec::new(), Vec::new());
    for load in options.loads()? {
        match load.work {
            Work::Echo { .. } | Work::Churn => {
                let all: Vec<&Contender> = [&again].into_iter().chain(&chosen).collect();
                let driven = Duration::from_secs_f64(options.seconds);
                let row = rounds(load, &all, &options, |contender| {
                    turns::run(&reference, contender, &load.work, &cores, driven)
                });
                print!("{}", table::of(&header, load, &row));
                cells.extend(row);
            }
            Work::Idle => {
                let all: Vec<&Contender> = [&reference].into_iter().chain(&chosen).collect();
                let row = rounds(load, &all, &options, |contender| {
                    idle::run(&contender.start(cores[0], &[])?)
                });
                print!("{}", table::of_idle(&header, load, &row));
                idle.extend(row);
            }
            Work::Micro => {
                micro = micro::run(options.rounds, &cores)?;
                print!("{}", table::of_micro(&header, load, &micro));
            }
        }
    }
    if let Some(path) = &options.json {
        let report = serde_json::json!({
            "machine": header, "against": reference.name, "cells": cells, "idle": idle, "micro": micro
        });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
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
        errors: Vec::new(),
    };
    let mut row: Vec<Cell<T>> = contenders.iter().map(cell).collect();
    for round in 1..=options.rounds {
        for (contender, cell) in contenders.iter().zip(&mut row) {
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

/// Goes on in a child that is set apart. The parent waits: it is what a terminal or a script can end.
fn apart() -> io::Result<()> {
    // SAFETY: there is one thread, so the child may do what its parent might.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => contenders::set_apart(),
        child => {
            let mut status = 0;
            // SAFETY: it is told where to write.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            std::process::exit(match libc::WIFEXITED(status) {
                true => libc::WEXITSTATUS(status),
                false => 1,
            })
        }
    }
}
