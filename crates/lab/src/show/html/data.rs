//! The raw data in the page, for programs and to be saved.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::report::{Figure, Report, Value};

/// How much of the data is tried, from all on, until the page is small enough: samples of a figure, points of a series.
const KEPT: [(usize, usize); 7] = [
    (usize::MAX, usize::MAX),
    (256, 1000),
    (128, 500),
    (64, 250),
    (32, 120),
    (16, 60),
    (8, 30),
];

/// Writes the foot of the page, with the data.
pub(super) fn write(page: &mut String, report: &Report, limit: usize) {
    let (mut json, mut kept) = (String::new(), KEPT[0]);
    for most in KEPT {
        (json, kept) = (written(report, most), most);
        // Once as it is, and once with four characters for three bytes.
        if page.len() + json.len() + json.len().div_ceil(3) * 4 + 2000 <= limit {
            break;
        }
    }
    page.push_str("<footer>\n<h2>How to read this, and the raw data</h2>\n");
    page.push_str(
        "<p>Every figure is a median. The range with it is an interval of order statistics: it supposes no \
         distribution, and two figures whose ranges overlap are not told apart here. Figures of different machines, or of \
         a machine that is busy, say nothing about each other.</p>\n",
    );
    let _ = write!(
        page,
        "<p class=\"save\"><a download=\"switchboard-lab.json\" href=\"data:application/json;base64,{}\">Save the data \
         as JSON</a>: schema {}, version {}, which <code>switchboard report</code> reads and compares.",
        STANDARD.encode(&json),
        Report::SCHEMA,
        Report::VERSION
    );
    let (samples, points) = kept;
    if kept != KEPT[0] {
        let _ = write!(
            page,
            " To keep this page small, the data has at most {samples} samples of each figure, evenly from its \
             sorted ones, and at most {points} points of each series of a picture. What is shown above follows from all of them; <code>--json</code> writes all of them."
        );
    }
    page.push_str("</p>\n</footer>\n");
    // Nothing in a script element is an entity; `<` only occurs in strings, where it may be written as an escape.
    let _ = writeln!(
        page,
        "<script type=\"application/json\" id=\"data\">{}</script>",
        json.replace('<', "\\u003c")
    );
}

/// Writes the report with at most so many samples of each figure and points of each series.
fn written(report: &Report, (most, points): (usize, usize)) -> String {
    let mut report = report.clone();
    let lines = report
        .sections
        .iter_mut()
        .flat_map(|section| &mut section.tables)
        .flat_map(|table| &mut table.rows);
    for value in lines.flat_map(|line| &mut line.values).flatten() {
        if let Value::Figure(figure) = value {
            let samples = figure.samples();
            if samples.len() > most
                && let Some(thinned) = Figure::of(thinned(samples.to_vec(), most))
            {
                *figure = thinned;
            }
        }
    }
    let plots = report
        .sections
        .iter_mut()
        .flat_map(|section| &mut section.plots);
    for series in plots.flat_map(|plot| &mut plot.series) {
        if series.points.len() > points {
            let stride = series.points.len().div_ceil(points);
            series.points = series.points.iter().step_by(stride).cloned().collect();
        }
    }
    serde_json::to_string(&report).unwrap_or_default()
}

/// Returns at most `most` of the samples, evenly from the sorted ones, with the same median.
fn thinned(mut samples: Vec<f64>, most: usize) -> Vec<f64> {
    samples.sort_by(f64::total_cmp);
    let half = samples.len() / 2;
    let odd = samples.len() % 2;
    let kept = (most - odd) / 2;
    let lower = (0..kept).map(|nth| nth * (half - 1) / (kept - 1).max(1));
    let mut places: Vec<usize> = lower.collect();
    // The innermost one of an even number takes part in the median.
    if let Some(last) = places.last_mut() {
        *last = half - 1;
    }
    let upper = places.iter().rev().map(|place| samples.len() - 1 - place);
    let middle = (odd == 1).then_some(half);
    let all: Vec<usize> = places.iter().copied().chain(middle).chain(upper).collect();
    all.into_iter().map(|place| samples[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_samples_have_the_same_median_and_ends() {
        for count in [300, 301, 1000, 9999] {
            let samples: Vec<f64> = (0..count).map(|n| f64::from(n * n % 1013)).collect();
            let all = Figure::of(samples.clone()).unwrap();
            for most in [8, 64, 256] {
                let few = Figure::of(thinned(samples.clone(), most)).unwrap();
                assert_eq!(few.median(), all.median());
                assert!(few.samples().len() <= most);
                let ends = |figure: &Figure| {
                    let mut sorted = figure.samples().to_vec();
                    sorted.sort_by(f64::total_cmp);
                    (sorted[0], sorted[sorted.len() - 1])
                };
                assert_eq!(ends(&few), ends(&all));
            }
        }
    }
}
