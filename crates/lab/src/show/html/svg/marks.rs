//! The marks by which series are told apart without colours.

use super::{LOOKS, px};

/// Returns the path of a series' mark around a place.
pub(super) fn mark(series: usize, x: f64, y: f64) -> String {
    let at = |dx: f64, dy: f64| format!("{} {}", px(x + dx), px(y + dy));
    let polygon = |corners: &[(f64, f64)]| {
        let corners: Vec<String> = corners.iter().map(|(dx, dy)| at(*dx, *dy)).collect();
        format!("M{}Z", corners.join("L"))
    };
    match series % LOOKS {
        0 => format!("M{}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z", at(-3.5, 0.0)),
        1 => polygon(&[(-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)]),
        2 => polygon(&[(0.0, -4.4), (4.2, 3.0), (-4.2, 3.0)]),
        3 => polygon(&[(0.0, -4.8), (4.4, 0.0), (0.0, 4.8), (-4.4, 0.0)]),
        4 => polygon(&[(0.0, 4.4), (4.2, -3.0), (-4.2, -3.0)]),
        5 => polygon(&[(-4.6, -1.4), (4.6, -1.4), (4.6, 1.4), (-4.6, 1.4)]),
        6 => polygon(&[(-1.4, -4.6), (1.4, -4.6), (1.4, 4.6), (-1.4, 4.6)]),
        _ => polygon(&[
            (-4.4, -3.0),
            (0.0, 0.0),
            (-4.4, 3.0),
            (4.4, 3.0),
            (0.0, 0.0),
            (4.4, -3.0),
        ]),
    }
}

/// Draws the sample of a series in a legend: a line with its mark, or a piece of a bar.
pub(in crate::show::html) fn key(series: usize, line: bool) -> String {
    let look = series % LOOKS;
    let drawn = match line {
        true => format!(
            "<path class=\"line\" d=\"M1 7L29 7\"/><path class=\"dot\" d=\"{}\"/>",
            mark(series, 15.0, 7.0)
        ),
        false => "<rect class=\"bar\" x=\"8\" y=\"1\" width=\"14\" height=\"12\"/>".to_owned(),
    };
    format!("<svg class=\"key s{look}\" viewBox=\"0 0 30 14\" aria-hidden=\"true\">{drawn}</svg>")
}
