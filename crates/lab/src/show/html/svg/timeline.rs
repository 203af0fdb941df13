//! Spans of time in rows.

use super::axis::{Layout, Ruler};
use super::{Anchor, Canvas, Fit, LOOKS, TYPE, fitted, width_of};
use crate::report::{Plot, Point};

const ROW: f64 = 26.0;

pub(super) fn draw(canvas: &mut Canvas, plot: &Plot) {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let mut names: Vec<&str> = Vec::new();
    for point in points() {
        let name = label(point);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let widest = names.iter().map(|name| width_of(name)).fold(0.0, f64::max) + 12.0;
    let share = if canvas.fit == Fit::Wide { 0.28 } else { 0.34 };
    let left = widest.min(canvas.width * share);
    let values: Vec<f64> = points().map(span).flat_map(<[f64; 2]>::from).collect();
    let layout = Layout {
        from: left,
        to: canvas.width - 16.0,
        zero: false,
        tight: true,
        most: if canvas.fit == Fit::Wide { 8 } else { 4 },
    };
    let ruler = Ruler::new(&plot.x, &values, &layout);
    let bottom = names.len().max(1) as f64 * ROW + 4.0;
    ruler.draw_below(canvas, 0.0, bottom);
    for (nth, name) in names.iter().enumerate() {
        let top = nth as f64 * ROW + 4.0;
        let base = top + ROW / 2.0 - 2.0 + TYPE * 0.36;
        canvas.text(
            "label",
            (left - 10.0, base),
            Anchor::End,
            &fitted(name, left - 10.0),
        );
        canvas.line(
            "grid",
            (left, top + ROW - 2.0),
            (canvas.width - 16.0, top + ROW - 2.0),
        );
        for (at, series) in plot.series.iter().enumerate() {
            let of_row = series.points.iter().filter(|point| label(point) == *name);
            let spans: Vec<(f64, f64)> = of_row
                .map(span)
                .filter(|(from, to)| ruler.shows(*from) && ruler.shows(*to))
                .map(|(from, to)| (ruler.at(from.min(to)), ruler.at(to.max(from))))
                .collect();
            // Each series has its own height, so that they are told apart without colours.
            let height = [18.0, 10.0, 5.0, 14.0][at % 4];
            for (from, to) in merged(spans) {
                let y = top + (ROW - 4.0 - height) / 2.0;
                canvas.rect(
                    &format!("bar s{}", at % LOOKS),
                    (from, y),
                    ((to - from).max(1.0), height),
                );
            }
        }
    }
    canvas.line("axis", (left, 0.0), (left, bottom));
    canvas.height = bottom + 44.0;
}

fn label(point: &Point) -> &str {
    point.label.as_deref().unwrap_or_default()
}

fn span(point: &Point) -> (f64, f64) {
    (point.low.unwrap_or(point.x), point.high.unwrap_or(point.x))
}

/// Joins spans between which no gap is to be seen, so that ten thousand of them are no more than there are pixels.
fn merged(mut spans: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 && to - last.0 < 1.5 => last.1 = last.1.max(to),
            Some(last) if from - last.1 < 0.3 && to - from < 1.0 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_joined_where_no_gap_is_to_be_seen() {
        let many: Vec<(f64, f64)> = (0..10_000)
            .map(|n| f64::from(n) * 0.05)
            .map(|x| (x, x + 0.01))
            .collect();
        assert!(merged(many).len() < 600);
        assert_eq!(
            merged(vec![(5.0, 9.0), (0.0, 4.0)]),
            [(0.0, 4.0), (5.0, 9.0)]
        );
    }
}
