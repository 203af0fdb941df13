//! A table of figures: the median of each, and its interval below.

use std::fmt::Write;

use super::escape;
use crate::report::{Column, Figure, Line, Mark, Section, Table, Unit, Value};
use crate::show::note::note;
use crate::unit::Scale;

pub(super) fn write(page: &mut String, table: &Table, section: &Section) {
    let title = match (table.title.is_empty(), section.title.is_empty()) {
        (false, _) => &table.title,
        (true, false) => &section.title,
        (true, true) => &section.experiment,
    };
    let title = escape(title);
    let class = if table.columns.len() > 6 {
        "figures many"
    } else {
        "figures"
    };
    let _ = writeln!(
        page,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table: {title}\">\n<table class=\"{class}\">\n\
         <caption>{title}</caption>\n<thead><tr><th scope=\"col\">{}</th>",
        escape(&table.rows_are)
    );
    let scales: Vec<Scale> = (0..table.columns.len())
        .map(|at| scale(table, at))
        .collect();
    for (column, scale) in table.columns.iter().zip(&scales) {
        let class = if column.unit == Unit::Text {
            " class=\"words\""
        } else {
            ""
        };
        let _ = write!(page, "<th scope=\"col\"{class}>{}", escape(&column.name));
        if !scale.sign.is_empty() {
            let _ = write!(page, " <span class=\"unit\">{}</span>", scale.sign);
        }
        page.push_str("</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for line in &table.rows {
        row(page, &table.columns, &scales, line);
    }
    page.push_str("</tbody></table>\n</div>\n");
    let note = note(table);
    if !note.is_empty() {
        let _ = writeln!(page, "<p class=\"foot\">{}</p>", escape(&note));
    }
}

/// Returns the scale of a column.
fn scale(table: &Table, at: usize) -> Scale {
    let figures = table
        .rows
        .iter()
        .filter_map(|line| match line.values.get(at)? {
            Some(Value::Figure(figure)) => Some(figure.median()),
            _ => None,
        });
    Scale::of(table.columns[at].unit, figures)
}

fn row(page: &mut String, columns: &[Column], scales: &[Scale], line: &Line) {
    let (class, badge) = match line.mark {
        Mark::Plain => ("", ""),
        Mark::Best => (" class=\"best\"", " <span class=\"mark\">★ best</span>"),
        Mark::Mistake => (
            " class=\"mistake\"",
            " <span class=\"mark\">! mistake</span>",
        ),
        Mark::Beside => (" class=\"beside\"", " <span class=\"mark\">beside</span>"),
    };
    let _ = write!(
        page,
        "<tr{class}><th scope=\"row\"><span>{}</span>{badge}</th>",
        escape(&line.name)
    );
    let measured = line.values.iter().any(Option::is_some);
    match (&line.error, measured) {
        (Some(error), false) => {
            let _ = writeln!(
                page,
                "<td class=\"failed\" colspan=\"{}\">failed: {}</td></tr>",
                columns.len().max(1),
                escape(error)
            );
            return;
        }
        _ => cells(page, columns, scales, line),
    }
    page.push_str("</tr>\n");
    if let Some(error) = &line.error {
        let _ = writeln!(
            page,
            "<tr class=\"of-it\"><td class=\"failed\" colspan=\"{}\">{}: a run of it failed: {}</td></tr>",
            columns.len() + 1,
            escape(&line.name),
            escape(error)
        );
    }
}

fn cells(page: &mut String, columns: &[Column], scales: &[Scale], line: &Line) {
    for (at, (column, scale)) in columns.iter().zip(scales).enumerate() {
        let words = column.unit == Unit::Text;
        let class = if words { " class=\"words\"" } else { "" };
        let _ = write!(page, "<td{class}>");
        match line.values.get(at).and_then(Option::as_ref) {
            Some(Value::Figure(figure)) => {
                page.push_str(&escape(&scale.number(figure.median())));
                page.push_str(&range(scale, figure));
            }
            Some(Value::Text(text)) => page.push_str(&escape(text)),
            None => page.push_str("<span class=\"no\" title=\"not measured\">–</span>"),
        }
        page.push_str("</td>");
    }
}

/// Returns the interval of a figure that was measured several times.
fn range(scale: &Scale, figure: &Figure) -> String {
    if figure.samples().len() < 2 {
        return String::new();
    }
    let interval = figure.interval();
    let (low, high) = (scale.number(interval.low), scale.number(interval.high));
    match low == high {
        true => String::new(),
        false => format!(
            " <span class=\"range\">{}–{}</span>",
            escape(&low),
            escape(&high)
        ),
    }
}
