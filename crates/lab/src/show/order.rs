//! The order of bars.

use crate::report::{Plot, Point};

/// Returns the bars of a plot with the numbers of their series: by labels in the order in which they first occur, and for
/// each label by series.
pub(super) fn by_label(plot: &Plot) -> Vec<(usize, &Point)> {
    let points = || {
        let numbered = plot.series.iter().enumerate();
        numbered.flat_map(|(at, series)| series.points.iter().map(move |point| (at, point)))
    };
    let mut labels: Vec<Option<&str>> = Vec::new();
    for (_, point) in points() {
        if !labels.contains(&point.label.as_deref()) {
            labels.push(point.label.as_deref());
        }
    }
    let of_it = |label| points().filter(move |(_, point)| point.label.as_deref() == label);
    labels.into_iter().flat_map(of_it).collect()
}
