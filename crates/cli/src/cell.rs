//! `switchboard cell`: measures one cell of `compare`, which starts it as a child process.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use switchboard_lab::run_cell;

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
    match measured.and_then(|text| writeln!(io::stdout(), "{text}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchboard: {error}");
            ExitCode::FAILURE
        }
    }
}
