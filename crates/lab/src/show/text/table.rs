//! Tables in aligned columns: each figure's median, and how far its interval reaches.

use super::page::{Ink, Page, clipped};
use crate::report::{Figure, Line, Mark, Table, Unit, Value};
use crate::unit::Scale;

/// A column that is laid out: its head in two lines, and for each row a value and what is behind it.
struct Column {
    heads: [String; 2],
    values: Vec<String>,
    ranges: Vec<String>,
    words: bool,
}

/// Characters of a name.
const LONGEST: usize = 36;

/// Returns whether it shows how far an interval reaches.
pub(super) fn write(page: &mut Page, table: &Table) -> bool {
    let mut names = vec![format!("  {}", clipped(&table.rows_are, LONGEST))];
    names.extend(table.rows.iter().map(name));
    let wide = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut columns: Vec<Column> = (0..table.columns.len())
        .map(|at| column(table, at, page.width().saturating_sub(wide + 2)))
        .collect();
    fit(&mut columns, page.width().saturating_sub(wide));
    let mut left = columns.as_slice();
    loop {
        // What does not fit beside goes below, with the names once more.
        let mut used = wide;
        let fits = |column: &&Column| {
            used += column.width() + 2;
            used <= page.width()
        };
        let count = left.iter().take_while(fits).count().max(1).min(left.len());
        let (now, rest) = left.split_at(count);
        block(page, table, &names, wide, now, rest.is_empty());
        if rest.is_empty() {
            break;
        }
        page.gap();
        left = rest;
    }
    let ranges = columns.iter().flat_map(|column| &column.ranges);
    ranges.into_iter().any(|range| !range.is_empty())
}

fn name(line: &Line) -> String {
    let mark = match line.mark {
        Mark::Plain => ' ',
        Mark::Best => '*',
        Mark::Mistake => '!',
        Mark::Beside => '=',
    };
    format!("{mark} {}", clipped(&line.name, LONGEST))
}

fn column(table: &Table, at: usize, room: usize) -> Column {
    let of_it = &table.columns[at];
    let values = || {
        table
            .rows
            .iter()
            .map(|line| line.values.get(at).and_then(Option::as_ref))
    };
    let medians = values().filter_map(|value| match value {
        Some(Value::Figure(figure)) => Some(figure.median()),
        _ => None,
    });
    let scale = Scale::of(of_it.unit, medians);
    let words = of_it.unit == Unit::Text;
    Column {
        heads: [clipped(&of_it.name, LONGEST), scale.sign.to_owned()],
        ranges: values()
            .map(|value| value.map_or(String::new(), |value| range(&scale, value)))
            .collect(),
        values: values()
            .map(|value| match value {
                Some(Value::Figure(figure)) => scale.number(figure.median()),
                Some(Value::Text(text)) => clipped(text, room),
                None if words => String::new(),
                None => "-".to_owned(),
            })
            .collect(),
        words,
    }
}

/// Returns the greater of the distances of the median from the ends of its interval.
fn range(scale: &Scale, value: &Value) -> String {
    let spread = |figure: &Figure| {
        let (median, interval) = (figure.median(), figure.interval());
        (interval.high - median).max(median - interval.low)
    };
    match value {
        Value::Figure(figure) if figure.samples().len() > 1 => {
            format!("±{}", scale.number(spread(figure)))
        }
        _ => String::new(),
    }
}

/// Returns the width of the columns that are no words.
fn figures(columns: &[Column]) -> usize {
    let figures = columns.iter().filter(|column| !column.words);
    figures.map(|column| column.width() + 2).sum()
}

/// Drops intervals, those of the last columns first, until the columns of figures fit. That of the first one stays.
fn fit(columns: &mut [Column], width: usize) {
    for at in (1..columns.len()).rev() {
        if figures(columns) <= width {
            return;
        }
        columns[at].ranges.iter_mut().for_each(String::clear);
    }
}

impl Column {
    fn width(&self) -> usize {
        let (values, ranges) = self.widths();
        let head = self
            .heads
            .iter()
            .map(|head| head.chars().count())
            .max()
            .unwrap_or(0);
        (values + ranges).max(head)
    }

    /// Returns the widths of the values and of what is behind them.
    fn widths(&self) -> (usize, usize) {
        let widest = |texts: &[String]| {
            texts
                .iter()
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let ranges = widest(&self.ranges);
        (
            widest(&self.values),
            if ranges > 0 { ranges + 1 } else { 0 },
        )
    }
}

fn block(
    page: &mut Page,
    table: &Table,
    names: &[String],
    wide: usize,
    columns: &[Column],
    last: bool,
) {
    let units = columns.iter().any(|column| !column.heads[1].is_empty());
    for nth in 0..if units { 2 } else { 1 } {
        let name = if nth == 0 { &names[0] } else { "" };
        page.inked(&format!("{name:<wide$}"), Ink::Strong);
        for column in columns {
            let (ranges, width) = (column.widths().1, column.width());
            let head = &column.heads[nth];
            // The head stands over the values, not over what is behind them, if it fits there.
            let head = match head.chars().count() <= width - ranges {
                _ if column.words => format!("  {head:<width$}"),
                true => format!("  {head:>0$}{1}", width - ranges, " ".repeat(ranges)),
                false => format!("  {head:>width$}"),
            };
            page.inked(&head, if nth == 0 { Ink::Strong } else { Ink::Faint });
        }
        page.end();
    }
    for (at, line) in table.rows.iter().enumerate() {
        let ink = match line.mark {
            Mark::Plain | Mark::Beside => Ink::Plain,
            Mark::Best => Ink::Good,
            Mark::Mistake => Ink::Warning,
        };
        page.inked(&format!("{:<wide$}", names[at + 1]), ink);
        if line.values.iter().all(Option::is_none) && line.error.is_some() {
            failed(page, line, wide);
            continue;
        }
        for column in columns {
            let (values, ranges) = column.widths();
            let value = &column.values[at];
            let pad = column.width() - values - ranges;
            match column.words {
                true => page.inked(&format!("  {value:<0$}", column.width()), Ink::Plain),
                false => page.inked(&format!("  {}{value:>values$}", " ".repeat(pad)), ink),
            }
            page.inked(&format!("{:>ranges$}", column.ranges[at]), Ink::Faint);
        }
        page.end();
        if let (Some(error), true) = (&line.error, last) {
            let room = page.width() - 4;
            page.inked(
                &format!(
                    "    {}",
                    clipped(&format!("a run of it failed: {error}"), room)
                ),
                Ink::Bad,
            );
            page.end();
        }
    }
}

fn failed(page: &mut Page, line: &Line, wide: usize) {
    let error = line.error.as_deref().unwrap_or_default();
    let room = page.width().saturating_sub(wide + 2);
    page.inked(
        &format!("  {}", clipped(&format!("failed: {error}"), room)),
        Ink::Bad,
    );
    page.end();
}
