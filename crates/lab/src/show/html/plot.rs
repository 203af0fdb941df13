//! A picture with its caption, its legend, and its numbers as a table.

use std::fmt::Write;

use super::escape;
use super::svg::{self, Fit};
use crate::report::{Axis, Plot, PlotKind, Point};
use crate::show::unit::{Scale, say};

/// Rows of the table behind a picture; the raw data has all.
const ROWS: usize = 120;

pub(super) fn write(page: &mut String, plot: &Plot, id: &str) {
    let _ = writeln!(
        page,
        "<figure>\n<figcaption><h3>{}</h3>",
        escape(&plot.title)
    );
    if !plot.caption.is_empty() {
        let _ = writeln!(page, "<p>{}</p>", escape(&plot.caption));
    }
    page.push_str("</figcaption>\n");
    if plot.series.iter().all(|series| series.points.is_empty()) {
        page.push_str(
            "<p class=\"none\">Nothing was measured that could be drawn.</p>\n</figure>\n",
        );
        return;
    }
    if plot.series.len() > 1 {
        legend(page, plot);
    }
    page.push_str(&svg::draw(plot, id, Fit::Wide));
    page.push_str(&svg::draw(plot, id, Fit::Narrow));
    numbers(page, plot);
    page.push_str("</figure>\n");
}

fn legend(page: &mut String, plot: &Plot) {
    let lines = matches!(plot.kind, PlotKind::Lines | PlotKind::Steps);
    let class = if svg::names_its_series(plot) {
        "legend for-narrow"
    } else {
        "legend"
    };
    let _ = write!(page, "<ul class=\"{class}\">");
    for (at, series) in plot.series.iter().enumerate() {
        let _ = write!(
            page,
            "<li>{}{}</li>",
            svg::key(at, lines),
            escape(&series.name)
        );
    }
    page.push_str("</ul>\n");
}

/// Writes the numbers of a plot as a table, closed at first.
fn numbers(page: &mut String, plot: &Plot) {
    let points = plot
        .series
        .iter()
        .flat_map(|series| series.points.iter().map(move |point| (&series.name, point)));
    let total = points.clone().count();
    let said = match total > ROWS {
        true => format!("The first {ROWS} of {total} numbers"),
        false => "The numbers".to_owned(),
    };
    let _ = writeln!(
        page,
        "<details><summary>{said}</summary>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Numbers of: {title}\">\n\
         <table class=\"numbers\"><caption>{title}</caption>\n<thead><tr>",
        title = escape(&plot.title)
    );
    let several = plot.series.len() > 1;
    let heads: Vec<String> = match plot.kind {
        PlotKind::Bars => vec![String::new(), name(&plot.y)],
        PlotKind::Timeline => vec![
            String::new(),
            format!("{} from", plot.x.name),
            "to".to_owned(),
        ],
        PlotKind::Lines | PlotKind::Steps => vec![name(&plot.x), name(&plot.y)],
    };
    let interval = plot.kind != PlotKind::Timeline
        && points.clone().any(|(_, point)| interval(point).is_some());
    let series = several.then(|| "series".to_owned());
    let range = interval.then(|| "interval".to_owned());
    for head in series.into_iter().chain(heads).chain(range) {
        let _ = match head.is_empty() {
            true => write!(page, "<td></td>"),
            false => write!(page, "<th scope=\"col\">{}</th>", escape(&head)),
        };
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    let xs = Scale::of(
        plot.x.unit,
        plot.series
            .iter()
            .flat_map(|series| &series.points)
            .map(|point| point.x),
    );
    let x = |value: f64| match plot.x.unit {
        crate::report::Unit::Count => xs.number(value),
        unit => say(unit, value),
    };
    for (series, point) in points.take(ROWS) {
        let label = point.label.clone().unwrap_or_default();
        let cells = match plot.kind {
            PlotKind::Bars => vec![label, say(plot.y.unit, point.y)],
            PlotKind::Timeline => vec![
                label,
                x(point.low.unwrap_or(point.x)),
                x(point.high.unwrap_or(point.x)),
            ],
            PlotKind::Lines | PlotKind::Steps => vec![x(point.x), say(plot.y.unit, point.y)],
        };
        let range = match self::interval(point) {
            Some((low, high)) => format!("{} – {}", say(plot.y.unit, low), say(plot.y.unit, high)),
            None => String::new(),
        };
        page.push_str("<tr>");
        let series = several.then(|| series.clone());
        for (at, cell) in series
            .into_iter()
            .chain(cells)
            .chain(interval.then_some(range))
            .enumerate()
        {
            let _ = match at {
                0 => write!(page, "<th scope=\"row\">{}</th>", escape(&cell)),
                _ => write!(page, "<td>{}</td>", escape(&cell)),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n</div></details>\n");
}

/// Returns an interval that has a width.
fn interval(point: &Point) -> Option<(f64, f64)> {
    point.low.zip(point.high).filter(|(low, high)| low < high)
}

fn name(axis: &Axis) -> String {
    axis.name.clone()
}
