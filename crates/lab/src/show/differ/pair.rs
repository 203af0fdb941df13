//! Pairs what two reports have by name, and compares the figures.

use super::chance::{Noise, p_value};
use super::{Change, Differences, Direction, Side};
use crate::report::{Better, Column, Figure, Line, Report, Section, Table, Value};
use crate::show::facts::facts;
use crate::show::verdicts::word;

/// Says what the machines have in different ways.
pub(super) fn machines(before: &Report, after: &Report) -> Vec<String> {
    let (old, new) = (facts(&before.machine), facts(&after.machine));
    let value = |facts: &[(String, String)], name: &str| {
        let of_it = facts.iter().find(|(known, _)| known == name);
        of_it.map_or("unknown".to_owned(), |(_, value)| value.clone())
    };
    let mut names: Vec<&String> = old.iter().chain(&new).map(|(name, _)| name).collect();
    // What is measured anew in each run makes no other machine.
    names.retain(|name| !["clock", "control loop"].contains(&name.as_str()));
    names.dedup();
    let mut said: Vec<String> = Vec::new();
    for name in names {
        let (was, is) = (value(&old, name), value(&new, name));
        let line = format!("{name}: {is}, was {was}");
        if was != is && !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

/// Pairs the parts of two reports by name, and notes those that are in one only.
pub(super) fn pair<T>(
    before: &[T],
    after: &[T],
    name: impl Fn(&T) -> String,
    found: &mut Differences,
    place: &str,
    each: &mut dyn FnMut(&mut Differences, &T, &T),
) {
    for old in before {
        match after.iter().find(|new| name(new) == name(old)) {
            Some(new) => each(found, old, new),
            None => found.only_before.push(format!("{place}{}", name(old))),
        }
    }
    for new in after {
        if !before.iter().any(|old| name(old) == name(new)) {
            found.only_after.push(format!("{place}{}", name(new)));
        }
    }
}

/// Compares two sections, and adds what might differ; `None` is a figure that does not.
pub(super) fn sections(
    found: &mut Differences,
    before: &Section,
    after: &Section,
    candidates: &mut Vec<Option<Change>>,
) {
    let experiment = &before.experiment;
    if before.settings != after.settings {
        found.settings.push(experiment.clone());
    }
    for old in &before.verdicts {
        let new = after.verdicts.iter().find(|new| new.saying == old.saying);
        if let Some(new) = new.filter(|new| new.verdict != old.verdict) {
            let (is, was) = (word(new.verdict), word(old.verdict));
            found
                .others
                .push(format!("{experiment}: “{}” is {is}, was {was}", old.saying));
        }
    }
    match (&before.error, &after.error) {
        (None, Some(error)) => {
            found.newly_failed += 1;
            found
                .others
                .push(format!("{experiment} fails now: {error}"));
        }
        (Some(error), None) => {
            found
                .others
                .push(format!("{experiment} no longer fails; it did: {error}"));
        }
        _ => {}
    }
    let place = format!("{experiment}, ");
    let title = |table: &Table| match table.title.is_empty() {
        true => "its table".to_owned(),
        false => table.title.clone(),
    };
    pair(
        &before.tables,
        &after.tables,
        title,
        found,
        &place,
        &mut |found, before, after| {
            tables(found, experiment, before, after, candidates);
        },
    );
}

fn tables(
    found: &mut Differences,
    experiment: &str,
    before: &Table,
    after: &Table,
    candidates: &mut Vec<Option<Change>>,
) {
    let place = match before.title.is_empty() {
        true => format!("{experiment}, "),
        false => format!("{experiment}, {}, ", before.title),
    };
    let column = |column: &Column| format!("column {}", column.name);
    pair(
        &before.columns,
        &after.columns,
        column,
        found,
        &place,
        &mut |_, _, _| {},
    );
    let mut rows: Vec<(&Line, &Line)> = Vec::new();
    for old in &before.rows {
        rows.extend(
            after
                .rows
                .iter()
                .find(|new| new.name == old.name)
                .map(|new| (old, new)),
        );
    }
    pair(
        &before.rows,
        &after.rows,
        |row| row.name.clone(),
        found,
        &place,
        &mut |found, old, new| {
            let said = match (&old.error, &new.error) {
                (None, Some(error)) => {
                    found.newly_failed += 1;
                    format!("{place}{} fails now: {error}", old.name)
                }
                (Some(error), None) => {
                    format!("{place}{} no longer fails; it did: {error}", old.name)
                }
                _ => return,
            };
            found.others.push(said);
        },
    );
    let place = (experiment, before.title.as_str());
    figures(found, place, (before, after), &rows, candidates);
}

/// Compares the figures of rows that both tables have.
fn figures(
    found: &mut Differences,
    (experiment, title): (&str, &str),
    (before, after): (&Table, &Table),
    rows: &[(&Line, &Line)],
    candidates: &mut Vec<Option<Change>>,
) {
    for (at, column) in before.columns.iter().enumerate() {
        let same = after
            .columns
            .iter()
            .position(|each| each.name == column.name && each.unit == column.unit);
        let Some(to) = same else { continue };
        let pairs = rows
            .iter()
            .filter_map(|(old, new)| Some((old, figure(old, at)?, figure(new, to)?)));
        let pairs: Vec<(&&Line, &Figure, &Figure)> = pairs.collect();
        let noise = Noise::of(pairs.iter().map(|(_, old, new)| (*old, *new)));
        for (row, old, new) in pairs {
            if !old.can_differ_from(new) {
                found.too_few += 1;
                continue;
            }
            candidates.push(old.differs_from(new).then(|| Change {
                experiment: experiment.to_owned(),
                table: title.to_owned(),
                row: row.name.clone(),
                column: column.name.clone(),
                unit: column.unit,
                direction: direction(column.better, old.median(), new.median()),
                before: side(old),
                after: side(new),
                p: p_value(old, new, &noise),
            }));
        }
    }
}

fn figure(line: &Line, column: usize) -> Option<&Figure> {
    match line.values.get(column)?.as_ref()? {
        Value::Figure(figure) => Some(figure),
        Value::Text(_) => None,
    }
}

fn side(figure: &Figure) -> Side {
    let interval = figure.interval();
    Side {
        median: figure.median(),
        low: interval.low,
        high: interval.high,
        samples: figure.samples().len(),
    }
}

fn direction(better: Better, before: f64, after: f64) -> Direction {
    match better {
        Better::Neither => Direction::Other,
        Better::Less if after > before => Direction::Worse,
        Better::More if after < before => Direction::Worse,
        _ => Direction::Better,
    }
}
