//! `switchboard models`: the table of what runs under which model.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Args;
use switchboard_runtime::{Driver, Model, Style};

use crate::output;

#[derive(Args)]
#[command(
    after_help = "What a model cannot do it refuses, with a line that names one that can.\n\nExit status: \
0 if the table was written or the reader of stdout closed it, 1 if it could not be written, 2 for wrong usage."
)]
pub(crate) struct Options {
    /// Print the table as Markdown, as is done where stdout is no terminal
    #[arg(long)]
    markdown: bool,
}

/// The columns: a style or a program, and the styles in which that is written.
const COLUMNS: [(&str, &[Style]); 6] = [
    ("async function", &[Style::Async]),
    ("plain function", &[Style::Plain]),
    ("protocol", &[Style::Protocol]),
    ("`echo`", &[Style::Async, Style::Plain, Style::Protocol]),
    ("`slow-site`", &[Style::Async]),
    ("`fetch`", &[Style::Async]),
];

pub(crate) fn run(options: &Options) -> ExitCode {
    let text = match options.markdown || !io::stdout().is_terminal() {
        true => markdown(&table()),
        false => aligned(&table()),
    };
    output::status(output::print(text).map(|()| true))
}

/// Returns the rows of the table, the first of which has the names of the columns.
fn table() -> Vec<Vec<String>> {
    let heads = COLUMNS.map(|(head, _)| head);
    let heads = ["model"].into_iter().chain(heads);
    let heads = heads.chain(["waits with", "workers"]).map(str::to_owned);
    let mut table = vec![heads.collect()];
    for model in Model::ALL {
        let cells = COLUMNS.map(|(_, styles)| {
            let runs = styles.iter().any(|&style| model.runs(style).is_ok());
            if runs { "yes" } else { "no" }.to_owned()
        });
        let waits = match model.has_loop() {
            true => drivers(),
            false => "system calls that block".to_owned(),
        };
        let workers = match model {
            Model::Processes => "one, or processes",
            _ => "threads, processes",
        };
        let mut row = vec![format!("`{model}`")];
        row.extend(cells);
        row.extend([waits, workers.to_owned()]);
        table.push(row);
    }
    table
}

fn markdown(table: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in table.iter().enumerate() {
        text += &format!("| {} |\n", row.join(" | "));
        if index == 0 {
            text += &format!("|{}\n", "---|".repeat(row.len()));
        }
    }
    text
}

/// Returns the table with columns of equal width, for people.
fn aligned(table: &[Vec<String>]) -> String {
    let plain = |cell: &String| cell.replace('`', "");
    let width = |column: usize| table.iter().map(|row| plain(&row[column]).len()).max();
    let widths: Vec<usize> = (0..table[0].len())
        .map(|at| width(at).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in table {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{:width$}  ", plain(cell)))
            .collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn drivers() -> String {
    let all = Driver::ALL.into_iter().filter(|it| *it != Driver::Sim);
    all.map(Driver::name).collect::<Vec<_>>().join(", ")
}
