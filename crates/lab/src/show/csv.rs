//! A report as CSV: one row for each sample.

use std::borrow::Cow;

use crate::report::{Report, Unit, Value};

/// Formats all samples of a report as CSV (RFC 4180) in long form: one row for each sample, with the columns
/// `experiment,table,row,column,unit,round,value`.
///
/// Values are in base units: seconds, bytes, numbers. Rounds count from 1 in the order in which samples were taken.
/// Words, and what failed, are rows with the unit `text` and round 0; an error has the column `error`.
///
/// ```
/// let text = switchboard_lab::show::csv(&switchboard_lab::Report::default());
/// assert_eq!(text, "experiment,table,row,column,unit,round,value\r\n");
/// ```
pub fn csv(report: &Report) -> String {
    let mut text = String::new();
    let names = [
        "experiment",
        "table",
        "row",
        "column",
        "unit",
        "round",
        "value",
    ];
    record(&mut text, names);
    for section in &report.sections {
        for table in &section.tables {
            for line in &table.rows {
                let mut write = |column: &str, unit: &str, round: usize, value: &str| {
                    let round = round.to_string();
                    let experiment = &section.experiment;
                    let place = [experiment, &table.title, &line.name, column];
                    record(
                        &mut text,
                        place.into_iter().chain([unit, round.as_str(), value]),
                    );
                };
                for (column, value) in table.columns.iter().zip(&line.values) {
                    match value {
                        Some(Value::Figure(figure)) => {
                            for (at, sample) in figure.samples().iter().enumerate() {
                                write(&column.name, name(column.unit), at + 1, &sample.to_string());
                            }
                        }
                        Some(Value::Text(value)) => write(&column.name, "text", 0, value),
                        None => {}
                    }
                }
                if let Some(error) = &line.error {
                    write("error", "text", 0, error);
                }
            }
        }
    }
    text
}

fn record<'a>(text: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    for (at, field) in fields.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&quoted(field));
    }
    text.push_str("\r\n");
}

fn quoted(field: &str) -> Cow<'_, str> {
    match field.contains([',', '"', '\r', '\n']) {
        true => Cow::Owned(format!("\"{}\"", field.replace('"', "\"\""))),
        false => Cow::Borrowed(field),
    }
}

/// Returns the name of a base unit.
fn name(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "s",
        Unit::Bytes => "bytes",
        Unit::Count => "count",
        Unit::PerSecond => "per-second",
        Unit::Ratio => "ratio",
        Unit::Share => "share",
        Unit::Text => "text",
    }
}
