//! Bars to the right, in groups where there are several series.

use super::axis::{Layout, Ruler};
use super::{Anchor, Canvas, Fit, LOOKS, TYPE, fitted, px, width_of};
use crate::report::{Plot, Point};
use crate::show::order::by_label;
use crate::unit::say;

/// A row of the plot: a name where a group begins, and a bar.
struct Row<'a> {
    name: &'a str,
    begins: bool,
    series: usize,
    point: &'a Point,
}

pub(super) fn draw(canvas: &mut Canvas, plot: &Plot) {
    let rows = rows(plot);
    let several = plot.series.len() > 1;
    let values: Vec<f64> = rows.iter().flat_map(|row| ends(row.point)).collect();
    let names = rows.iter().map(|row| width_of(row.name));
    let widest = names.fold(0.0, f64::max) + 12.0;
    let share = if canvas.fit == Fit::Wide { 0.32 } else { 0.38 };
    let left = widest.min(canvas.width * share);
    let said = rows
        .iter()
        .map(|row| width_of(&say(plot.y.unit, row.point.y)));
    let right = canvas.width - said.fold(0.0, f64::max) - 14.0;
    let layout = Layout {
        from: left,
        to: right.max(left + 40.0),
        zero: true,
        tight: true,
        most: if canvas.fit == Fit::Wide { 6 } else { 3 },
    };
    let ruler = Ruler::new(&plot.y, &values, &layout);
    let (bar, gap, apart) = if several {
        (14.0, 3.0, 11.0)
    } else {
        (18.0, 8.0, 0.0)
    };
    let places: Vec<f64> = rows
        .iter()
        .scan(6.0, |y, row| {
            *y += if row.begins { apart } else { 0.0 };
            let place = *y;
            *y += bar + gap;
            Some(place)
        })
        .collect();
    let bottom = places.last().map_or(30.0, |y| y + bar + gap);
    ruler.draw_below(canvas, 0.0, bottom);
    for (row, y) in rows.iter().zip(places) {
        if row.begins {
            let of_group = rows.iter().filter(|each| each.name == row.name).count() as f64;
            let middle = if several {
                y + (of_group * (bar + gap) - gap) / 2.0
            } else {
                y + bar / 2.0
            };
            let name = fitted(row.name, left - 10.0);
            canvas.text(
                "label",
                (left - 10.0, middle + TYPE * 0.36),
                Anchor::End,
                &name,
            );
        }
        one(canvas, plot, &ruler, row, (y, bar));
    }
    canvas.line("axis", (left, 0.0), (left, bottom));
    canvas.height = bottom + 44.0;
}

/// Returns the bars in their order, and where a group begins.
fn rows(plot: &Plot) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (series, point) in by_label(plot) {
        let name = point.label.as_deref().unwrap_or_default();
        let begins = plot.series.len() == 1 || rows.last().is_none_or(|row| row.name != name);
        rows.push(Row {
            name,
            begins,
            series,
            point,
        });
    }
    rows
}

fn ends(point: &Point) -> impl Iterator<Item = f64> {
    [Some(point.y), point.low, point.high].into_iter().flatten()
}

fn one(canvas: &mut Canvas, plot: &Plot, ruler: &Ruler, row: &Row, (y, height): (f64, f64)) {
    let Row { point, series, .. } = row;
    let look = series % LOOKS;
    let middle = y + height / 2.0;
    let zero = ruler.at(0.0);
    if !ruler.shows(point.y) {
        let said = format!("{} (no place on this scale)", say(plot.y.unit, point.y));
        canvas.text(
            "value",
            (zero + 6.0, middle + TYPE * 0.36),
            Anchor::Start,
            &said,
        );
        return;
    }
    let end = ruler.at(point.y);
    if ruler.multiplies() {
        // Where there is no zero, a length means nothing: a place does.
        canvas.line(&format!("stem s{look}"), (zero, middle), (end, middle));
        let dot = super::marks::mark(*series, end, middle);
        canvas.path(&format!("dot s{look}"), &dot);
    } else {
        let size = ((end - zero).abs().max(1.0), height);
        canvas.rect(&format!("bar s{look}"), (end.min(zero), y), size);
    }
    let mut furthest = end.max(zero);
    if let (Some(low), Some(high)) = (point.low, point.high) {
        let (low, high) = (ruler.at(low), ruler.at(high));
        if high - low >= 3.0 {
            let (top, bottom) = (px(middle - 4.0), px(middle + 4.0));
            let (low, high, y) = (px(low), px(high), px(middle));
            let d = format!("M{low} {top}V{bottom}M{low} {y}H{high}M{high} {top}V{bottom}");
            canvas.path("halo", &d);
            canvas.path("whisker", &d);
        }
        furthest = furthest.max(high);
    }
    let said = say(plot.y.unit, point.y);
    canvas.text(
        "value",
        (furthest + 7.0, middle + TYPE * 0.36),
        Anchor::Start,
        &said,
    );
}
