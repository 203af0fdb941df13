//! Figures in words for the reasoning.

use crate::text::{seconds, size};

/// Formats a number with separators of thousands, and with digits behind the point where it is small.
pub(super) fn number(value: f64) -> String {
    match value {
        value if value >= 1e15 => format!("{value:.1e}"),
        value if value >= 100.0 => whole(value.round() as u64),
        value if value >= 10.0 || value == value.trunc() => trimmed(format!("{value:.1}")),
        value => trimmed(format!("{value:.2}")),
    }
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Formats a whole number with separators of thousands: `10,000`.
pub(super) fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a size in bytes, KiB, MiB or GiB.
pub(super) fn bytes(value: f64) -> String {
    match value {
        value if value < 1024.0 => format!("{value:.0} B"),
        value if value < 1024.0 * 1024.0 => format!("{:.1} KiB", value / 1024.0),
        value => size(value as u64),
    }
}

/// Formats a time; those below a millisecond with two digits.
pub(super) fn time(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 1e-4 => format!("{:.1} us", value * 1e6),
        value => seconds(value),
    }
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
        assert_eq!(
            [12.0, 41_000.0, 5_400_000.0].map(bytes),
            ["12 B", "40.0 KiB", "5.1 MiB"]
        );
        assert_eq!(
            [0.0, 4.6e-6, 0.002, 1.5].map(time),
            ["0", "4.6 us", "2.0 ms", "1.50 s"]
        );
        assert_eq!([0.05, 1.0, 0.001].map(share), ["5 %", "100 %", "0.1 %"]);
    }
}
