//! `switchboard models`: the table of what runs under which model.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use switchboard_runtime::{Driver, Model, Style};

#[derive(Args)]
#[command(after_help = "What a model cannot do it refuses, with a line that names one that can.")]
pub(crate) struct Options {}

/// The columns: a style or a program, and the styles in which that is written.
const COLUMNS: [(&str, &[Style]); 6] = [
    ("async function", &[Style::Async]),
    ("plain function", &[Style::Plain]),
    ("protocol", &[Style::Protocol]),
    ("`echo`", &[Style::Async, Style::Plain, Style::Protocol]),
    ("`slow-site`", &[Style::Async]),
    ("`fetch`", &[Style::Async]),
];

pub(crate) fn run(_: &Options) -> ExitCode {
    match io::stdout().write_all(table().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the pipe and needs no more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchboard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> String {
    let heads = COLUMNS.map(|(head, _)| head).join(" | ");
    let mut table = format!("| model | {heads} | waits with | workers |\n");
    table += &format!("|---|{}---|---|\n", "---|".repeat(COLUMNS.len()));
    for model in Model::ALL {
        let cells = COLUMNS.map(|(_, styles)| {
            let runs = styles.iter().any(|&style| model.runs(style).is_ok());
            if runs { "yes" } else { "no" }
        });
        let waits = match model.has_loop() {
            true => drivers(),
            false => "system calls that block".to_owned(),
        };
        let workers = match model {
            Model::Processes => "one, or processes",
            _ => "threads, processes",
        };
        let cells = cells.join(" | ");
        table += &format!("| `{model}` | {cells} | {waits} | {workers} |\n");
    }
    table
}

fn drivers() -> String {
    let all = Driver::ALL.into_iter().filter(|it| *it != Driver::Sim);
    all.map(Driver::name).collect::<Vec<_>>().join(", ")
}
