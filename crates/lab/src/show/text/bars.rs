//! Bars of block characters, an eighth of a column exact.

use super::page::{Ink, Page, clipped};
use crate::report::{Plot, Point};
use crate::show::order::by_label;
use crate::unit::say;

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

pub(super) fn write(page: &mut Page, plot: &Plot) {
    let scale = if plot.y.log { " (log scale)" } else { "" };
    let title = match plot.title == plot.y.name {
        true => format!("{}{scale}", plot.title),
        false => format!("{}: {}{scale}", plot.title, plot.y.name),
    };
    page.wrap("  ", &title, Ink::Strong);
    let several = plot.series.len() > 1;
    let named = |point: &Point, series: &str| {
        let label = point.label.as_deref().unwrap_or_default();
        match several {
            true => clipped(&format!("{label}, {series}"), 36),
            false => clipped(label, 36),
        }
    };
    let bars: Vec<(String, &Point)> = by_label(plot)
        .into_iter()
        .map(|(series, point)| (named(point, &plot.series[series].name), point))
        .collect();
    let names = bars
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let values: Vec<String> = bars
        .iter()
        .map(|(_, point)| say(plot.y.unit, point.y))
        .collect();
    let widest = values
        .iter()
        .map(|value| value.chars().count())
        .max()
        .unwrap_or(0);
    let room = page.width().saturating_sub(names + widest + 6).clamp(8, 60);
    let length = lengths(plot);
    for ((name, point), value) in bars.iter().zip(values) {
        page.inked(&format!("  {name:<names$}  "), Ink::Plain);
        let bar = bar(length(point.y) * room as f64, page.unicode());
        page.inked(&format!("{bar} {value}"), Ink::Plain);
        page.end();
    }
}

/// Returns what gives a value's length, from 0 to 1.
fn lengths(plot: &Plot) -> impl Fn(f64) -> f64 {
    let values = || {
        plot.series
            .iter()
            .flat_map(|series| &series.points)
            .map(|point| point.y)
    };
    let most = values().fold(0.0, f64::max);
    let least = values()
        .filter(|value| *value > 0.0)
        .fold(f64::INFINITY, f64::min);
    let log = plot.y.log && most > least;
    move |value: f64| {
        let share = match log {
            true if value <= 0.0 => 0.0,
            // The least has a tenth, so that it is seen.
            true => 0.1 + 0.9 * (value / least).ln() / (most / least).ln(),
            false => value / most,
        };
        if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

fn bar(columns: f64, unicode: bool) -> String {
    if !unicode {
        return "#".repeat(columns.round() as usize);
    }
    let eighths = (columns * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_exact_to_an_eighth() {
        assert_eq!(bar(2.5, true), "██▌");
        assert_eq!(bar(0.0, true), "");
        assert_eq!(bar(2.6, false), "###");
    }
}
