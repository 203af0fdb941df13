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

/// A column: what runs, and in which styles it is written.
struct Column {
    /// The name in the table for people, which fits a terminal of 80 columns.
    short: &'static str,
    markdown: &'static str,
    styles: &'static [Style],
}

const COLUMNS: [Column; 6] = [
    Column {
        short: "async",
        markdown: "async function (`serve`)",
        styles: &[Style::Async],
    },
    Column {
        short: "plain",
        markdown: "plain function (`serve_plain`)",
        styles: &[Style::Plain],
    },
    Column {
        short: "protocol",
        markdown: "protocol (`serve_protocol`)",
        styles: &[Style::Protocol],
    },
    Column {
        short: "echo",
        markdown: "`echo`",
        styles: &[Style::Async, Style::Plain, Style::Protocol],
    },
    Column {
        short: "services",
        markdown: "`files`, `proxy`, `slow-site`",
        styles: &[Style::Async],
    },
    Column {
        short: "fetch",
        markdown: "`fetch`",
        styles: &[Style::Async],
    },
];

pub(crate) fn run(options: &Options) -> ExitCode {
    let text = match options.markdown || !io::stdout().is_terminal() {
        true => markdown(&table(|column| column.markdown)),
        false => for_people(),
    };
    output::status(output::print(text).map(|()| true))
}

/// Returns the rows of the table, the first of which has the names of the columns.
fn table(name: impl Fn(&Column) -> &'static str) -> Vec<Vec<String>> {
    let heads = COLUMNS.iter().map(name);
    let heads = ["model"].into_iter().chain(heads).chain(["workers"]);
    let mut table = vec![heads.map(str::to_owned).collect()];
    for model in Model::ALL {
        let cells = COLUMNS.iter().map(|column| {
            let runs = column.styles.iter().any(|&style| model.runs(style).is_ok());
            if runs { "yes" } else { "no" }.to_owned()
        });
        let workers = match model {
            Model::Processes => "one, or processes",
            _ => "threads, processes",
        };
        let mut row = vec![format!("`{model}`")];
        row.extend(cells);
        row.push(workers.to_owned());
        table.push(row);
    }
    table
}

/// Returns the table with columns of equal width, and what its words mean.
fn for_people() -> String {
    let with_loop = Model::ALL.into_iter().filter(|model| model.has_loop());
    let drivers = Driver::ALL.into_iter().filter(|it| *it != Driver::Sim);
    let drivers: Vec<_> = drivers.map(Driver::name).collect();
    format!(
        "{}\nasync, plain, protocol: handlers of serve, serve_plain and serve_protocol\n\
         services: files, proxy and slow-site\n\
         {} wait with a driver: {}\n\
         the other models wait in system calls that block\n\
         `switchboard compare` measures which one to run\n",
        aligned(&table(|column| column.short)),
        with_loop.map(Model::name).collect::<Vec<_>>().join(", "),
        drivers.join(", "),
    )
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

/// Returns a table with columns of equal width.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_for_people_fits_eighty_columns() {
        let text = for_people();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        for model in Model::ALL {
            assert!(text.contains(&format!("\n{model} ")), "{text}");
        }
        assert!(text.ends_with("`switchboard compare` measures which one to run\n"));
    }
}
