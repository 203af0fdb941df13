//! `bench`: every contender under every load, interleaved, so that a machine that drifts hits all
//! alike; a markdown table on stdout, JSON where `--json FILE` says.
//!
//!     bench [--rounds N] [--only NAME,…] [--loads NAME,…] [--seconds S] [--json FILE] [--beside FILE]

mod churn;
mod idle;
mod loads;
mod micro;
mod table;

use std::io;
use std::time::Duration;

use loads::{Figures, LOADS};
use switchboard_bench::contenders::{self, Contender};

struct Options {
    rounds: usize,
    only: Option<Vec<String>>,
    loads: Option<Vec<String>>,
    seconds: f64,
    json: Option<String>,
    beside: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rounds: 5,
        only: None,
        loads: None,
        seconds: 1.0,
        json: None,
        beside: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let names = || Some(value.split(',').map(str::to_owned).collect());
        let wrong = |error: &dyn std::fmt::Display| format!("{word} {value}: {error}");
        match word.as_str() {
            "--rounds" => options.rounds = value.parse().map_err(|error| wrong(&error))?,
            "--seconds" => options.seconds = value.parse().map_err(|error| wrong(&error))?,
            "--only" => options.only = names(),
            "--loads" => options.loads = names(),
            "--json" => options.json = Some(value),
            "--beside" => options.beside = Some(value),
            _ => {
                return Err(format!("{word} is not known; see bench/README.md"));
            }
        }
    }
    Ok(options)
}

/// One contender under one load.
#[derive(serde::Serialize)]
pub(crate) struct Cell {
    load: &'static str,
    contender: String,
    runs: Vec<Figures>,
    errors: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let header = table::header();
    let cores = switchboard_lab::cores();
    let server_core = cores[0];
    if let Some(core) = cores.get(1) {
        switchboard_lab::pin(None, *core)?;
    }
    let chosen = |names: &Option<Vec<String>>, name: &str| {
        names
            .as_ref()
            .is_none_or(|names| names.iter().any(|one| one == name))
    };
    let beside = options.beside.as_deref().map(contenders::beside);
    let contenders: Vec<Contender> = [contenders::built(), beside.unwrap_or_default()]
        .into_iter()
        .chain([contenders::elsewhere()])
        .flatten()
        .filter(|one| chosen(&options.only, &one.name) || one.name == "raw-epoll")
        .collect();
    let mut cells = Vec::new();
    for load in LOADS
        .iter()
        .filter(|load| chosen(&options.loads, load.name))
    {
        let mut row: Vec<Cell> = contenders
            .iter()
            .map(|one| Cell {
                load: load.name,
                contender: one.name.clone(),
                runs: Vec::new(),
                errors: Vec::new(),
            })
            .collect();
        for round in 0..options.rounds {
            for (contender, cell) in contenders.iter().zip(&mut row) {
                eprint!(
                    "\r\x1b[K{} {}/{}: {}",
                    load.name,
                    round + 1,
                    options.rounds,
                    contender.name
                );
                match one(load, contender, server_core, options.seconds) {
                    Ok(figures) => cell.runs.push(figures),
                    Err(error) => cell.errors.push(error.to_string()),
                }
            }
        }
        eprint!("\r\x1b[K");
        println!("{}", table::of(&header, load.name, load.what, &row));
        cells.extend(row);
    }
    let mut micro = Vec::new();
    if chosen(&options.loads, micro::NAME) {
        micro = micro::run(options.rounds, &cores)?;
        println!("{}", table::of_micro(&header, &micro));
    }
    if let Some(path) = &options.json {
        let report = serde_json::json!({ "machine": header, "cells": cells, "micro": micro });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

fn one(
    load: &loads::Kind,
    contender: &Contender,
    core: usize,
    seconds: f64,
) -> io::Result<Figures> {
    let server = contender.start(core, &[])?;
    load.run(&server, Duration::from_secs_f64(seconds))
}
