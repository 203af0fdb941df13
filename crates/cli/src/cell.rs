//! `switchboard cell`: measures one cell of `compare`, which starts it as a child process.

use std::io;
use std::process::ExitCode;

use clap::Args;
use switchboard_lab::run_cell;

use crate::output::{self, Failure};

#[derive(Args)]
pub(crate) struct Options {
    /// The task of the cell, as JSON
    spec: String,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let measured = serde_json::from_str(&options.spec)
        .map_err(io::Error::from)
        .and_then(|spec| run_cell(&spec))
        .and_then(|measured| Ok(serde_json::to_string(&measured)?));
    let printed = measured
        .map_err(Failure::from)
        .and_then(|text| output::print(format_args!("{text}\n")));
    output::status(printed.map(|()| true))
}
