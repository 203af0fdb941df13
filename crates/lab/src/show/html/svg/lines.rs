//! Lines and steps, with bands or whiskers for their intervals.

use std::fmt::Write;

use super::axis::{Layout, Ruler};
use super::marks::mark;
use super::{Anchor, Canvas, Fit, LOOKS, TYPE, fitted, px, width_of};
use crate::report::{Plot, PlotKind, Point, Series};

/// With more series than this, names beside the lines would not find room.
const LABELS: usize = 10;

/// The distance of two names beside lines.
const APART: f64 = 17.0;

pub(super) fn fits_labels(plot: &Plot) -> bool {
    (2..=LABELS).contains(&plot.series.len())
}

pub(super) fn draw(canvas: &mut Canvas, plot: &Plot) {
    let wide = canvas.fit == Fit::Wide;
    let labelled = wide && fits_labels(plot);
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let xs: Vec<f64> = points().map(|point| point.x).collect();
    let ys: Vec<f64> = points()
        .flat_map(|point| [Some(point.y), point.low, point.high])
        .flatten()
        .collect();
    let (top, bottom) = (TYPE * 2.2, if wide { 340.0 } else { 260.0 });
    let up = Ruler::new(
        &plot.y,
        &ys,
        &Layout {
            from: bottom,
            to: top,
            zero: true,
            tight: false,
            most: if wide { 6 } else { 5 },
        },
    );
    let ticks = up.ticks.iter().map(|(_, name)| width_of(name));
    let left = ticks.fold(0.0, f64::max) + 10.0;
    let names = plot.series.iter().map(|series| width_of(&series.name));
    let beside = if labelled {
        names.fold(0.0, f64::max).min(200.0) + 30.0
    } else {
        22.0
    };
    let right = canvas.width - beside;
    let layout = Layout {
        from: left,
        to: right,
        zero: false,
        tight: true,
        most: if wide { 8 } else { 5 },
    };
    let across = Ruler::new(&plot.x, &xs, &layout);
    up.draw_left(canvas, left, right);
    across.draw_below(canvas, top, bottom);
    canvas.line("axis", (left, bottom), (right, bottom));
    let mut ends = Vec::new();
    for (at, series) in plot.series.iter().enumerate() {
        let shown = places(series, &across, &up);
        if let Some(last) = shown.last() {
            ends.push((at, last.x, last.y));
        }
        one(canvas, plot.kind, at, &thinned(shown));
    }
    if labelled {
        labels(canvas, plot, right, ends, (top, bottom));
    }
    canvas.height = bottom + 44.0;
}

/// A point in pixels.
#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    interval: Option<(f64, f64)>,
}

/// Returns the places of the points that the axes can show, from left to right.
fn places(series: &Series, across: &Ruler, up: &Ruler) -> Vec<Place> {
    let mut shown: Vec<&Point> = series
        .points
        .iter()
        .filter(|point| across.shows(point.x) && up.shows(point.y))
        .collect();
    shown.sort_by(|a, b| a.x.total_cmp(&b.x));
    let place = |point: &Point| Place {
        x: across.at(point.x),
        y: up.at(point.y),
        interval: point
            .low
            .zip(point.high)
            .map(|(low, high)| (up.at(low), up.at(high))),
    };
    shown.into_iter().map(place).collect()
}

/// Keeps the least and the greatest of the points of each pixel, in their order.
fn thinned(places: Vec<Place>) -> Vec<Place> {
    if places.len() <= 400 {
        return places;
    }
    let mut kept: Vec<Place> = Vec::new();
    for column in places.chunk_by(|a, b| a.x.floor() == b.x.floor()) {
        let by_y = |a: &&Place, b: &&Place| a.y.total_cmp(&b.y);
        let (least, most) = (column.iter().max_by(by_y), column.iter().min_by(by_y));
        let mut both: Vec<Place> = least.into_iter().chain(most).copied().collect();
        both.sort_by(|a, b| a.x.total_cmp(&b.x));
        kept.extend(both);
    }
    kept
}

fn one(canvas: &mut Canvas, kind: PlotKind, at: usize, places: &[Place]) {
    let look = at % LOOKS;
    let wide_enough = |place: &Place| place.interval.is_some_and(|(low, high)| low - high >= 1.5);
    let visible = places.iter().any(wide_enough);
    if visible
        && places.len() > 8
        && kind == PlotKind::Lines
        && places.iter().all(|place| place.interval.is_some())
    {
        band(canvas, look, places);
    } else if visible && places.len() <= 60 {
        for place in places.iter().filter(|place| wide_enough(place)) {
            let Some((low, high)) = place.interval else {
                continue;
            };
            let (left, right) = (px(place.x - 3.0), px(place.x + 3.0));
            let (x, low, high) = (px(place.x), px(low), px(high));
            let d = format!("M{left} {low}H{right}M{x} {low}V{high}M{left} {high}H{right}");
            canvas.path(&format!("error s{look}"), &d);
        }
    }
    let mut d = String::new();
    for (nth, place) in places.iter().enumerate() {
        let (x, y) = (px(place.x), px(place.y));
        let _ = match (nth, kind) {
            (0, _) => write!(d, "M{x} {y}"),
            (_, PlotKind::Steps) => write!(d, "H{x}V{y}"),
            _ => write!(d, "L{x} {y}"),
        };
    }
    if places.len() > 1 {
        canvas.path(&format!("line s{look}"), &d);
    }
    // Marks that touch would hide the line: then only some are drawn, at other places for each series.
    let width = places.last().map_or(0.0, |last| last.x - places[0].x);
    let stride = (places.len() as f64 * 14.0 / width.max(14.0))
        .ceil()
        .max(1.0) as usize;
    let dots: String = places
        .iter()
        .skip((at * 3) % stride)
        .step_by(stride)
        .map(|place| mark(at, place.x, place.y))
        .collect();
    canvas.path(&format!("dot s{look}"), &dots);
}

fn band(canvas: &mut Canvas, look: usize, places: &[Place]) {
    let highs = places
        .iter()
        .filter_map(|place| Some((place.x, place.interval?.1)));
    let lows = places
        .iter()
        .rev()
        .filter_map(|place| Some((place.x, place.interval?.0)));
    let corners: Vec<String> = highs
        .chain(lows)
        .map(|(x, y)| format!("{} {}", px(x), px(y)))
        .collect();
    canvas.path(
        &format!("band s{look}"),
        &format!("M{}Z", corners.join("L")),
    );
}

/// Writes the names of the series beside the ends of their lines, none over another.
fn labels(
    canvas: &mut Canvas,
    plot: &Plot,
    right: f64,
    mut ends: Vec<(usize, f64, f64)>,
    (top, bottom): (f64, f64),
) {
    // A line that ends early has its name there: a name at the right would seem to say that it goes on.
    ends.retain(|(at, x, y)| {
        let name = &plot.series[*at].name;
        let early = x + 12.0 + width_of(name) < right - 24.0;
        if early {
            canvas.text(
                "label over",
                (x + 9.0, y + TYPE * 0.36),
                Anchor::Start,
                name,
            );
        }
        !early
    });
    ends.sort_by(|a, b| a.2.total_cmp(&b.2));
    let wanted: Vec<f64> = ends.iter().map(|end| end.2).collect();
    for ((at, x, y), place) in ends.into_iter().zip(spread(&wanted, top, bottom)) {
        let look = at % LOOKS;
        canvas.line(
            &format!("lead s{look}"),
            (x + 5.0, y),
            (right + 12.0, place),
        );
        canvas.path(&format!("dot s{look}"), &mark(at, right + 16.0, place));
        let name = fitted(&plot.series[at].name, canvas.width - right - 26.0);
        canvas.text(
            "label",
            (right + 25.0, place + TYPE * 0.36),
            Anchor::Start,
            &name,
        );
    }
}

/// Moves places apart that are too close, as little as is needed: those that would touch become a group around their
/// mean. They come sorted.
fn spread(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    // A group: the sum of where its first would be, its size.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    let clamped = |(sum, size): (f64, usize)| {
        let span = (size - 1) as f64 * APART;
        (sum / size as f64).min(bottom - span).max(top)
    };
    for place in wanted {
        groups.push((*place, 1));
        while let [.., before, last] = groups[..] {
            let reach = before.1 as f64 * APART;
            if clamped(before) + reach <= clamped(last) {
                break;
            }
            groups.truncate(groups.len() - 2);
            groups.push((before.0 + last.0 - last.1 as f64 * reach, before.1 + last.1));
        }
    }
    let places =
        |group: (f64, usize)| (0..group.1).map(move |nth| clamped(group) + nth as f64 * APART);
    groups.into_iter().flat_map(places).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_moved_apart_as_little_as_is_needed() {
        assert_eq!(spread(&[10.0, 100.0], 0.0, 300.0), [10.0, 100.0]);
        assert_eq!(spread(&[100.0, 100.0], 0.0, 300.0), [91.5, 108.5]);
        let tight = spread(&[298.0, 299.0, 300.0], 0.0, 300.0);
        assert_eq!(tight, [266.0, 283.0, 300.0]);
        for places in [
            spread(&[5.0; 8], 0.0, 300.0),
            spread(&[0.0, 1.0, 20.0, 21.0, 60.0], 0.0, 300.0),
        ] {
            assert!(
                places.windows(2).all(|two| two[1] - two[0] > APART - 1e-6),
                "{places:?}"
            );
            assert!(places[0] >= 0.0);
        }
    }

    #[test]
    fn ten_thousand_points_keep_their_extremes() {
        let at = |n: u32| Place {
            x: f64::from(n) * 0.05,
            y: if n == 5000 { 1.0 } else { 200.0 },
            interval: None,
        };
        let kept = thinned((0..10_000).map(at).collect());
        assert!(kept.len() <= 1002, "{}", kept.len());
        assert!(kept.iter().any(|place| place.y == 1.0));
    }
}
