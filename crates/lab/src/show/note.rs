//! The sentence below a table that says what its figures are.

use crate::report::{Mark, Table, Value};

/// Says how often the figures of a table were measured, what their intervals are, and what its marks mean.
pub(super) fn note(table: &Table) -> String {
    let Some(mut said) = measured(table) else {
        return String::new();
    };
    let has = |mark: Mark| table.rows.iter().any(|line| line.mark == mark);
    if has(Mark::Mistake) {
        said.push_str(" Mistakes are shown for their price.");
    }
    if has(Mark::Beside) {
        said.push_str(" Rows beside are other programs'.");
    }
    said
}

/// Says how often the figures of a table were measured, and what their intervals are; `None` if it has no figures.
pub(super) fn measured(table: &Table) -> Option<String> {
    let values = table
        .rows
        .iter()
        .flat_map(|line| line.values.iter().flatten());
    let figures: Vec<_> = values
        .filter_map(|value| match value {
            Value::Figure(figure) => Some(figure),
            Value::Text(_) => None,
        })
        .collect();
    let counts = || figures.iter().map(|figure| figure.samples().len());
    let (least, most) = (counts().min()?, counts().max()?);
    Some(match (least, most) {
        (_, 1) => "Measured once: how far chance would move these figures is not known.".to_owned(),
        _ => {
            let runs = if least == most {
                format!("{most}")
            } else {
                format!("{least} to {most}")
            };
            let several = figures.iter().filter(|figure| figure.samples().len() > 1);
            let coverage = several
                .map(|figure| figure.interval().coverage)
                .fold(1.0, f64::min);
            format!(
                "The median of {runs} samples, with an interval that holds the true one with a probability of {:.0} % \
                 or more.",
                (coverage * 100.0).floor()
            )
        }
    })
}
