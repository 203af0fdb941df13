//! `switchboard cell`: measures one cell of `compare`, which starts it as a child process.

use std::io;
use std::process::ExitCode;

use clap::Args;
use switchboard_lab::do_work;

use crate::output::{self, Failure};

#[derive(Args)]
pub(crate) struct Options {
    /// The task of the cell, as JSON
    spec: String,
    /// The process with which the cell ends, however that does
    #[arg(long)]
    parent: Option<u32>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let measured = serde_json::from_str(&options.spec)
        .map_err(io::Error::from)
        .and_then(|work| do_work(&work, options.parent))
        .map(|found| found.to_string());
    let printed = measured
        .map_err(Failure::from)
        .and_then(|text| output::print(format_args!("{text}\n")));
    output::status(printed.map(|()| true))
}
