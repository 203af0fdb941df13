//! A report as plain text: the machine, each section with its tables, and the advice.

use std::fmt::Write;

use crate::report::{Line, Mark, Report, Section, Table, Unit, Value};
use crate::text::{clip, per_second, seconds, size, wrap};

/// Formats a report for a terminal of 100 columns, without colours.
pub fn plain(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!("{}, {} cores, ", machine.cpu, machine.cores);
    let _ = writeln!(text, "{}, {}", size(machine.memory_bytes), machine.kernel);
    for line in &report.disturbances {
        wrap(&mut text, "disturbed: ", line);
    }
    for section in &report.sections {
        add(&mut text, section);
    }
    if !report.advice.is_empty() {
        text.push_str("\nadvice, from the numbers above\n");
        for line in &report.advice {
            wrap(&mut text, "  ", line);
        }
    }
    text
}

fn add(text: &mut String, section: &Section) {
    let _ = writeln!(text, "\n{}: {}", section.experiment, section.title);
    for line in &section.settings {
        wrap(text, "  ", line);
    }
    for table in &section.tables {
        add_table(text, table);
    }
    if let Some(error) = &section.error {
        wrap(text, "  failed: ", error);
    }
    for line in &section.warnings {
        wrap(text, "  warning: ", line);
    }
    for line in &section.findings {
        wrap(text, "  ", line);
    }
}

fn add_table(text: &mut String, table: &Table) {
    if !table.title.is_empty() {
        let _ = writeln!(text, "  {}", table.title);
    }
    let heads = table.columns.iter().map(|column| column.name.clone());
    let head: Vec<String> = [format!("  {}", table.rows_are)]
        .into_iter()
        .chain(heads)
        .collect();
    let rows = table.rows.iter().map(|line| cells(table, line));
    let rows: Vec<Vec<String>> = [head].into_iter().chain(rows).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..=table.columns.len()).map(width).collect();
    let errors = [None]
        .into_iter()
        .chain(table.rows.iter().map(|row| row.error.as_deref()));
    for (row, error) in rows.iter().zip(errors) {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        if let Some(error) = error {
            let _ = write!(line, "  failed: {error}");
        }
        let _ = writeln!(text, "{}", clip(line.trim_end()));
    }
}

fn cells(table: &Table, line: &Line) -> Vec<String> {
    let mark = match line.mark {
        Mark::Best => '*',
        Mark::Mistake => '!',
        Mark::Beside => '+',
        Mark::Plain => ' ',
    };
    let values = line
        .values
        .iter()
        .zip(&table.columns)
        .map(|(value, column)| match value {
            None => "-".to_owned(),
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Figure(figure)) => {
                let median = figure.median();
                let shown = match column.unit {
                    Unit::Seconds => seconds(median),
                    Unit::Bytes => size(median as u64),
                    Unit::PerSecond => per_second(median),
                    Unit::Share => format!("{:.1} %", median * 100.0),
                    Unit::Count => format!("{median:.0}"),
                    Unit::Ratio | Unit::Text => format!("{median:.2}"),
                };
                match figure.uncertainty() {
                    doubt if doubt.is_finite() => format!("{shown} ±{:.0}%", doubt * 100.0),
                    _ => shown,
                }
            }
        });
    [format!("{mark} {}", line.name)]
        .into_iter()
        .chain(values)
        .collect()
}
