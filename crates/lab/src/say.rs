//! Numbers as sentences have them.

/// Formats a whole number with commas between thousands: `16,350`.
pub(crate) fn number(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match number < -0.5 {
        true => format!("−{text}"),
        false => text,
    }
}

/// Formats a size with two or three digits: `9.6 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// Formats a time with two or three digits: `1.9 µs`.
pub(crate) fn time(seconds: f64) -> String {
    if seconds >= 1.0 {
        return format!("{seconds:.1} s");
    }
    scaled(seconds * 1e9, 1000.0, &["ns", "µs", "ms", "s"])
}

/// Formats a quotient: `2.4`, `42`, `1,300`.
pub(crate) fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 9.95 => format!("{ratio:.1}"),
        ratio if ratio < 99.5 => number(ratio),
        // Two digits are what such a quotient is known to.
        ratio => {
            let unit = 10_f64.powi(ratio.log10().floor() as i32 - 1);
            number((ratio / unit).round() * unit)
        }
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step * 0.9995 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_their_unit() {
        assert_eq!(
            [0.0, 999.0, 1000.0, 16350.4, -1234567.0].map(number),
            ["0", "999", "1,000", "16,350", "−1,234,567"]
        );
        assert_eq!(
            [12.0, 9830.0, 33.0 * 1048576.0].map(bytes),
            ["12 B", "9.6 KiB", "33 MiB"]
        );
        assert_eq!(
            [4.5e-8, 1.94e-6, 0.0362, 2.0].map(time),
            ["45 ns", "1.9 µs", "36 ms", "2.0 s"]
        );
        assert_eq!([2.44, 42.3, 1296.0].map(times), ["2.4", "42", "1,300"]);
    }
}
