//! Figures in words for the reasoning.

use crate::unit;

/// Formats a number with separators of thousands, and with digits behind the point where it is small.
pub(super) fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => unit::number(value),
        value if value >= 10.0 || value == value.trunc() => trimmed(format!("{value:.1}")),
        value => trimmed(format!("{value:.2}")),
    }
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Formats a share: `5 %`.
pub(super) fn share(value: f64) -> String {
    format!("{} %", number(value * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_exact_enough() {
        let numbers = [0.0, 0.25, 7.0, 50.04, 999.6, 10_000.0, 1_234_567.0].map(number);
        assert_eq!(
            numbers,
            ["0", "0.25", "7", "50", "1,000", "10,000", "1,234,567"]
        );
        assert_eq!([0.05, 1.0, 0.001].map(share), ["5 %", "100 %", "0.1 %"]);
    }
}
