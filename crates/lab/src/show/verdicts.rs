//! The words of verdicts.

use crate::report::{Verdict, Verdicts};

/// The verdicts in the order in which they are counted.
const ALL: [Verdicts; 4] = [
    Verdicts::True,
    Verdicts::False,
    Verdicts::Depends,
    Verdicts::NotShown,
];

/// Returns the word for a verdict.
pub(super) fn word(verdict: Verdicts) -> &'static str {
    match verdict {
        Verdicts::True => "true",
        Verdicts::False => "false",
        Verdicts::Depends => "depends",
        Verdicts::NotShown => "not shown",
    }
}

/// Returns a sign for a verdict, of one column.
pub(super) fn sign(verdict: Verdicts) -> char {
    match verdict {
        Verdicts::True => '✓',
        Verdicts::False => '✗',
        Verdicts::Depends => '~',
        Verdicts::NotShown => '?',
    }
}

/// Counts verdicts: `12 sayings: 5 true, 4 false, 2 depends, 1 not shown`.
pub(super) fn counted(verdicts: &[Verdict]) -> String {
    let counts = ALL.map(|kind| {
        (
            kind,
            verdicts.iter().filter(|each| each.verdict == kind).count(),
        )
    });
    let named = counts.into_iter().filter(|(_, count)| *count > 0);
    let named: Vec<String> = named
        .map(|(kind, count)| format!("{count} {}", word(kind)))
        .collect();
    format!(
        "{}: {}",
        crate::text::count(verdicts.len(), "saying"),
        named.join(", ")
    )
}
