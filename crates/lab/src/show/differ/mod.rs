//! What differs between two reports beyond noise.

mod chance;
mod pair;
mod words;

use std::fmt;

use serde::Serialize;

use crate::report::{Report, Unit};
use pair::{machines, pair, sections};

/// The probability with which two reports of the same show a difference all the same.
const FALSE_ALARM: f64 = 0.05;

/// What differs between two reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Differences {
    /// What the machines have in different ways: `memory: 4.0 GiB, was 2.0 GiB`. If there is anything, every other
    /// difference may be the machines'.
    pub machines: Vec<String>,
    /// Experiments that were run with other settings: their figures may differ for that alone.
    pub settings: Vec<String>,
    /// The figures that differ, the worst first, then those that became better, then those of which neither is better.
    pub changes: Vec<Change>,
    /// Rows that failed in one report only, and sayings with another verdict.
    pub others: Vec<String>,
    /// What is only in the first report: experiments, tables, rows, columns.
    pub only_before: Vec<String>,
    /// What is only in the second.
    pub only_after: Vec<String>,
    /// Figures that were compared.
    pub compared: usize,
    /// Figures that have too few samples to be told from noise, such as one, or two in each report.
    pub too_few: usize,
    /// Experiments and rows that fail now and did not.
    pub newly_failed: usize,
    /// The least quotient of two medians that counts as a difference, such as 1.03.
    pub least_ratio: f64,
}

/// A figure that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The experiment.
    pub experiment: String,
    /// The title of the table.
    pub table: String,
    /// The row.
    pub row: String,
    /// The column.
    pub column: String,
    /// The unit of both.
    pub unit: Unit,
    /// Whether it became worse.
    pub direction: Direction,
    /// What was measured in the first report.
    pub before: Side,
    /// What was measured in the second.
    pub after: Side,
    /// The probability that noise alone gives such a difference at this figure.
    pub p: f64,
}

/// A figure in one of two reports.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The median.
    pub median: f64,
    /// The low end of its interval.
    pub low: f64,
    /// The high end of its interval.
    pub high: f64,
    /// The number of samples.
    pub samples: usize,
}

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It became worse.
    Worse,
    /// It became better.
    Better,
    /// It became another, and neither is better.
    Other,
}

/// Compares two reports, figure by figure, by the names of experiments, tables, rows and columns.
///
/// A figure differs if the intervals of both do not overlap
/// ([`Figure::differs_from`](crate::Figure::differs_from)), their medians differ by the factor `least_ratio` or more,
/// and noise is an unlikely cause: Welch's t of the logarithms, where no figure counts as less noisy than is usual in
/// its column, has a probability of at most 0.05 divided by the number of figures compared (Bonferroni). So, as
/// far as noise within a run tells, at most one of twenty pairs of reports of the same shows a difference, however many
/// figures they have.
///
/// ```
/// use switchboard_lab::{Report, show};
///
/// let found = show::differences(&Report::default(), &Report::default(), 1.03);
/// assert!(found.changes.is_empty() && !found.is_worse());
/// ```
pub fn differences(before: &Report, after: &Report, least_ratio: f64) -> Differences {
    let mut found = Differences {
        machines: machines(before, after),
        least_ratio,
        ..Differences::default()
    };
    let mut candidates = Vec::new();
    pair(
        &before.sections,
        &after.sections,
        |section| section.experiment.clone(),
        &mut found,
        "",
        &mut |found, before, after| {
            sections(found, before, after, &mut candidates);
        },
    );
    found.compared = candidates.len();
    let limit = FALSE_ALARM / candidates.len().max(1) as f64;
    found.changes = candidates
        .into_iter()
        .flatten()
        .filter(|change| change.p <= limit && change.factor() >= least_ratio)
        .collect();
    found.changes.sort_by(|a, b| {
        (a.direction, b.factor())
            .partial_cmp(&(b.direction, a.factor()))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    found
}

impl Differences {
    /// Returns whether nothing differs: no figure, no verdict, no failure, and nothing is in one report only.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.others, &self.only_before, &self.only_after];
        self.changes.is_empty() && lists.iter().all(|list| list.is_empty())
    }

    /// Returns whether something became worse: a figure, or an experiment or a row that fails now and did not.
    pub fn is_worse(&self) -> bool {
        self.newly_failed > 0
            || self
                .changes
                .iter()
                .any(|change| change.direction == Direction::Worse)
    }
}

impl Change {
    /// Returns by which factor the greater median is greater than the other; infinite if that one is zero.
    pub fn factor(&self) -> f64 {
        let (before, after) = (self.before.median.abs(), self.after.median.abs());
        before.max(after) / before.min(after)
    }
}

impl fmt::Display for Differences {
    /// Writes what differs as text, as [`Differences::text`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(super::Look::default()))
    }
}
