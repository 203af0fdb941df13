//! A picture with its caption, its legend, and its numbers as a table.

use std::fmt::Write;

use super::svg::{self, Fit};
use super::{escape, prose};
use crate::report::{Axis, Plot, PlotKind, Point};
use crate::show::unit::{Scale, grouped};

/// Rows of the table behind a picture; the raw data has all.
const ROWS: usize = 120;

pub(super) fn write(page: &mut String, plot: &Plot, id: &str) {
    let _ = writeln!(
        page,
        "<figure>\n<figcaption><h3>{}</h3>",
        escape(&plot.title)
    );
    if !plot.caption.is_empty() {
        let _ = writeln!(page, "<p>{}</p>", prose(&plot.caption));
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
        true => format!("The first {ROWS} of {} numbers", grouped(total as f64, 0)),
        false => "The numbers".to_owned(),
    };
    let _ = writeln!(
        page,
        "<details><summary>{said}</summary>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Numbers of: {title}\">\n\
         <table class=\"numbers\"><caption>{title}</caption>\n<thead><tr>",
        title = escape(&plot.title)
    );
    let several = plot.series.len() > 1;
    let all = || points.clone().map(|(_, point)| point);
    let (xs, ys) = match plot.kind {
        PlotKind::Timeline => (
            Scale::of(
                plot.x.unit,
                all().flat_map(|point| [point.low, point.high]).flatten(),
            ),
            None,
        ),
        _ => (
            Scale::of(plot.x.unit, all().map(|point| point.x)),
            Some(Scale::of(plot.y.unit, all().map(|point| point.y))),
        ),
    };
    let ys = ys.unwrap_or(xs);
    let (x, y) = (|value: f64| xs.number(value), |value: f64| ys.number(value));
    let heads: Vec<String> = match plot.kind {
        PlotKind::Bars => vec![String::new(), name(&plot.y, &ys)],
        PlotKind::Timeline => vec![String::new(), format!("from, {}", xs.sign), "to".to_owned()],
        PlotKind::Lines | PlotKind::Steps => vec![name(&plot.x, &xs), name(&plot.y, &ys)],
    };
    let interval = plot.kind != PlotKind::Timeline
        && points.clone().any(|(_, point)| interval(point).is_some());
    let labelled = several && matches!(plot.kind, PlotKind::Bars | PlotKind::Timeline);
    let series = several.then(|| "series".to_owned());
    let range = interval.then(|| "interval".to_owned());
    for head in series.into_iter().chain(heads).chain(range) {
        let _ = match head.is_empty() {
            true => write!(page, "<td></td>"),
            false => write!(page, "<th scope=\"col\">{}</th>", escape(&head)),
        };
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (series, point) in points.take(ROWS) {
        let label = point.label.clone().unwrap_or_default();
        let cells = match plot.kind {
            PlotKind::Bars => vec![label, y(point.y)],
            PlotKind::Timeline => vec![
                label,
                x(point.low.unwrap_or(point.x)),
                x(point.high.unwrap_or(point.x)),
            ],
            PlotKind::Lines | PlotKind::Steps => vec![x(point.x), y(point.y)],
        };
        let range = match self::interval(point) {
            Some((low, high)) => format!("{} – {}", y(low), y(high)),
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
                1 if labelled => write!(page, "<td class=\"words\">{}</td>", escape(&cell)),
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

/// Returns the name of an axis with its unit.
fn name(axis: &Axis, scale: &Scale) -> String {
    match scale.sign {
        "" => axis.name.clone(),
        sign => format!("{}, {sign}", axis.name),
    }
}
