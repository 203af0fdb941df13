//! What follows from the tables of the experiments that compare models, in sentences.

use std::cmp::Ordering;

use super::habits::MISTAKES;
use super::mistakes::Habit;
use super::table::{first, is_fair};
use crate::report::{Better, Column, Figure, Line, Mark, Section, Table, Unit};
use crate::unit;

/// Adds what follows from the first table, the most important first.
pub(super) fn add(section: &mut Section) {
    let Some(table) = section.tables.first() else {
        return;
    };
    let mut findings = Vec::new();
    findings.extend(fastest(table));
    findings.extend(on_the_loop(table));
    findings.extend(starving(table));
    section.findings.extend(findings);
}

/// Orders figures, the better first.
pub(super) fn order(better: Better, a: &Figure, b: &Figure) -> Ordering {
    match better {
        Better::More => b.median().total_cmp(&a.median()),
        _ => a.median().total_cmp(&b.median()),
    }
}

/// Returns the rows that can be recommended, the best first.
pub(super) fn ranked(table: &Table) -> Vec<(&Line, &Figure)> {
    let better = table
        .columns
        .first()
        .map_or(Better::Neither, |column| column.better);
    let fair = |row: &&Line| {
        matches!(row.mark, Mark::Plain | Mark::Best) && row.error.is_none() && is_fair(row)
    };
    let rows = table.rows.iter().filter(fair);
    let mut rows: Vec<_> = rows.filter_map(|row| Some((row, first(row)?))).collect();
    rows.sort_by(|a, b| order(better, a.1, b.1));
    rows
}

fn shown(column: &Column, figure: &Figure) -> String {
    let one = |value: f64| match column.unit {
        Unit::Seconds => unit::seconds(value),
        _ => unit::per_second(value),
    };
    let interval = figure.interval();
    format!(
        "{} ({} to {})",
        one(figure.median()),
        one(interval.low),
        one(interval.high)
    )
}

fn fastest(table: &Table) -> Option<String> {
    let ranked = ranked(table);
    let column = table.columns.first()?;
    let ((best, figure), others) = ranked.split_first()?;
    let mut said = format!("{}: {}", best.name, shown(column, figure));
    let equal: Vec<&str> = others
        .iter()
        .filter(|(_, other)| !other.differs_from(figure))
        .map(|(row, _)| row.name.as_str())
        .collect();
    if !equal.is_empty() {
        said += &format!("; inside the noise of it: {}", equal.join(", "));
    }
    if let Some((last, slow)) = others
        .last()
        .filter(|(_, other)| other.differs_from(figure))
    {
        let times = match column.better {
            Better::More => figure.median() / slow.median(),
            _ => slow.median() / figure.median(),
        };
        said += &format!(
            "; the slowest, {}, {}: {times:.1} times",
            last.name,
            shown(column, slow)
        );
    }
    Some(said)
}

/// Returns the price of computing on the loop.
fn on_the_loop(table: &Table) -> Option<String> {
    let wrong = table.rows.iter().find(|row| row.mark == Mark::Mistake)?;
    let right = table.figure(wrong.name.strip_suffix(" on the loop")?, "time")?;
    let figure = first(wrong)?;
    let times = figure.median() / right.median();
    Some(match figure.differs_from(right) {
        true => format!(
            "computing on the loop instead of in run_blocking took {times:.2} times as long, and nothing else ran \
             meanwhile"
        ),
        false => "computing on the loop took as long here as run_blocking, inside the noise, but nothing else ran \
                  meanwhile"
            .to_owned(),
    })
}

fn starving(table: &Table) -> Option<String> {
    let left = table.rows.iter().filter(|row| !is_fair(row));
    let left: Vec<&str> = left.map(|row| row.name.as_str()).collect();
    (!left.is_empty()).then(|| {
        format!(
            "clients were left without an answer by {}: see the column served",
            left.join(", ")
        )
    })
}

/// Adds the prices of mistakes.
pub(super) fn add_habits(section: &mut Section) {
    let Some(table) = section.tables.iter().find(|table| table.title == MISTAKES) else {
        return;
    };
    let said = Habit::PAIRS.iter().filter_map(|(right, wrong)| {
        let price = table.figure(wrong.name(), "price")?;
        let (right, figure) = (
            table.figure(right.name(), "time")?,
            table.figure(wrong.name(), "time")?,
        );
        let interval = price.interval();
        figure.differs_from(right).then(|| {
            format!(
                "{} took {:.1} ({:.1} to {:.1}) times as long as what is right",
                wrong.said(),
                price.median(),
                interval.low,
                interval.high
            )
        })
    });
    let said: Vec<String> = said.collect();
    section.findings.extend(said);
}
