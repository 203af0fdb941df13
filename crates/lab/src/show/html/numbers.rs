//! The numbers behind a picture, as a table that is closed at first.

use std::fmt::Write;

use super::escape;
use crate::report::{Axis, Plot, PlotKind, Point};
use crate::unit::{Scale, grouped};

/// Rows of the table; the raw data has all.
const ROWS: usize = 120;

/// How the numbers of a plot are written.
struct Numbers<'a> {
    plot: &'a Plot,
    x: Scale,
    y: Scale,
    /// Whether there is a column for the series.
    series: bool,
    /// Whether there is a column for the intervals.
    intervals: bool,
}

pub(super) fn write(page: &mut String, plot: &Plot) {
    let numbers = Numbers::new(plot);
    let total: usize = plot.series.iter().map(|series| series.points.len()).sum();
    let said = match total > ROWS {
        true => format!("The first {ROWS} of {} numbers", grouped(total as f64, 0)),
        false => "The numbers".to_owned(),
    };
    let _ = writeln!(
        page,
        "<details><summary>{said}</summary>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-label=\"Numbers of: {title}\">\n<table class=\"numbers\"><caption>{title}</caption>\n<thead><tr>",
        title = escape(&plot.title)
    );
    for head in numbers.heads() {
        let _ = match head.is_empty() {
            true => write!(page, "<td></td>"),
            false => write!(page, "<th scope=\"col\">{}</th>", escape(&head)),
        };
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    let series = plot.series.iter();
    let points =
        series.flat_map(|series| series.points.iter().map(move |point| (&series.name, point)));
    let labelled = matches!(plot.kind, PlotKind::Bars | PlotKind::Timeline);
    for (series, point) in points.take(ROWS) {
        page.push_str("<tr>");
        for (at, cell) in numbers.cells(series, point).iter().enumerate() {
            let cell = escape(cell);
            let _ = match at {
                0 => write!(page, "<th scope=\"row\">{cell}</th>"),
                1 if labelled && numbers.series => write!(page, "<td class=\"words\">{cell}</td>"),
                _ => write!(page, "<td>{cell}</td>"),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n</div></details>\n");
}

impl Numbers<'_> {
    fn new(plot: &Plot) -> Numbers<'_> {
        let points = || plot.series.iter().flat_map(|series| &series.points);
        let spans = plot.kind == PlotKind::Timeline;
        let xs: Vec<f64> = match spans {
            true => points().map(span).flat_map(<[f64; 2]>::from).collect(),
            false => points().map(|point| point.x).collect(),
        };
        Numbers {
            plot,
            x: Scale::of(plot.x.unit, xs),
            y: Scale::of(plot.y.unit, points().map(|point| point.y)),
            series: plot.series.len() > 1,
            intervals: !spans && points().any(|point| interval(point).is_some()),
        }
    }

    fn heads(&self) -> Vec<String> {
        let Plot { x, y, .. } = self.plot;
        let mut heads = match self.plot.kind {
            PlotKind::Bars => vec![String::new(), name(y, &self.y)],
            PlotKind::Timeline => vec![
                String::new(),
                format!("{} from", name(x, &self.x)),
                "to".to_owned(),
            ],
            PlotKind::Lines | PlotKind::Steps => vec![name(x, &self.x), name(y, &self.y)],
        };
        if self.series {
            heads.insert(0, "series".to_owned());
        }
        if self.intervals {
            heads.push("interval".to_owned());
        }
        heads
    }

    fn cells(&self, series: &str, point: &Point) -> Vec<String> {
        let (x, y) = (|x: f64| self.x.number(x), |y: f64| self.y.number(y));
        let label = point.label.clone().unwrap_or_default();
        let (from, to) = span(point);
        let mut cells = match self.plot.kind {
            PlotKind::Bars => vec![label, y(point.y)],
            PlotKind::Timeline => vec![label, x(from), x(to)],
            PlotKind::Lines | PlotKind::Steps => vec![x(point.x), y(point.y)],
        };
        if self.series {
            cells.insert(0, series.to_owned());
        }
        if self.intervals {
            let written = |(low, high): (f64, f64)| format!("{} – {}", y(low), y(high));
            cells.push(interval(point).map(written).unwrap_or_default());
        }
        cells
    }
}

/// Returns an interval that has a width.
fn interval(point: &Point) -> Option<(f64, f64)> {
    point.low.zip(point.high).filter(|(low, high)| low < high)
}

/// Returns a piece of a timeline.
fn span(point: &Point) -> (f64, f64) {
    (point.low.unwrap_or(point.x), point.high.unwrap_or(point.x))
}

/// Returns the name of an axis with its unit.
fn name(axis: &Axis, scale: &Scale) -> String {
    match scale.sign {
        "" => axis.name.clone(),
        sign => format!("{}, {sign}", axis.name),
    }
}
