//! A picture with its caption, its legend, and its numbers as a table.

use std::fmt::Write;

use super::svg::{self, Fit};
use super::{escape, numbers, prose};
use crate::report::{Plot, PlotKind};

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
    numbers::write(page, plot);
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
