//! How numbers are written, in tables, on axes and in sentences: prefixes and digits.

use crate::report::Unit;

/// Base units of one shown unit, and its sign. A sign that begins with a space or a letter stands apart.
type Prefix = (f64, &'static str);

const SECONDS: &[Prefix] = &[(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")];
const BYTES: &[Prefix] = &[
    (1.0, "B"),
    (1024.0, "KiB"),
    (1_048_576.0, "MiB"),
    (1_073_741_824.0, "GiB"),
    (1_099_511_627_776.0, "TiB"),
];

fn prefixes(unit: Unit) -> &'static [Prefix] {
    match unit {
        Unit::Seconds => SECONDS,
        Unit::Bytes => BYTES,
        Unit::Count | Unit::Text => &[(1.0, "")],
        Unit::PerSecond => &[(1.0, "/s")],
        Unit::Ratio => &[(1.0, "×")],
        Unit::Share => &[(0.01, "%")],
    }
}

/// Returns the greatest prefix of which `size` has at least one, or the least. Nothing has the base unit.
fn prefix(unit: Unit, size: f64) -> Prefix {
    let all = prefixes(unit);
    if size == 0.0 {
        return *all.iter().find(|(per, _)| *per == 1.0).unwrap_or(&all[0]);
    }
    let fits = all.iter().rev().find(|(per, _)| size >= *per * 0.999_5);
    *fits.unwrap_or(&all[0])
}

/// How the figures of a column or an axis are written: with one prefix and as many decimals each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    unit: Unit,
    per: f64,
    /// The sign of the unit with its prefix; empty if each figure has its own.
    pub(crate) sign: &'static str,
    decimals: usize,
    mixed: bool,
}

impl Scale {
    /// Chooses the scale for these figures. If the greatest is more than 20,000 times the least, each figure gets a
    /// prefix of its own where the unit has prefixes.
    pub(crate) fn of(unit: Unit, figures: impl IntoIterator<Item = f64>) -> Scale {
        let sizes = figures.into_iter().map(f64::abs).filter(|size| *size > 0.0);
        let sizes: Vec<f64> = sizes.collect();
        let least = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        let most = sizes.iter().copied().fold(0.0, f64::max);
        let mean = sizes.iter().map(|size| size.ln()).sum::<f64>() / sizes.len().max(1) as f64;
        let (per, sign) = prefix(unit, if sizes.is_empty() { 1.0 } else { mean.exp() });
        let mixed = prefixes(unit).len() > 1 && most > least * 20_000.0;
        let digits = |size: f64, digits: i32| {
            let exponent = (size / per).log10().floor();
            (f64::from(digits - 1) - exponent).clamp(0.0, 3.0) as usize
        };
        let whole = |number: f64| (number - number.round()).abs() <= number * 1e-9;
        let whole = sizes.iter().all(|size| whole(size / per));
        let decimals = match sizes.is_empty() || whole {
            true => 0,
            false => digits(mean.exp(), 3).max(digits(least, 2)),
        };
        Scale {
            unit,
            per,
            sign: if mixed { "" } else { sign },
            decimals,
            mixed,
        }
    }

    /// Writes a figure without its unit, or with it if each has its own.
    pub(crate) fn number(&self, figure: f64) -> String {
        match self.mixed {
            true => say(self.unit, figure),
            false => grouped(figure / self.per, self.decimals),
        }
    }
}

/// Writes a figure with its unit and three digits: `12.4 ms`, `1.94×`, `81,300/s`. Things are counted to the last one:
/// `16,012`.
pub(crate) fn say(unit: Unit, figure: f64) -> String {
    let (per, sign) = prefix(unit, figure.abs());
    let number = match (unit, figure / per) {
        (Unit::PerSecond | Unit::Ratio, number) if number.abs() >= 1000.0 => {
            let digit = 10_f64.powi(number.abs().log10().floor() as i32 - 2);
            (number / digit).round() * digit
        }
        (_, number) => number,
    };
    let decimals = match number.abs() {
        size if size >= 99.95 || size.fract() == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.01 || unit != Unit::Count => 2,
        _ => 4,
    };
    with_sign(grouped(number, decimals), sign)
}

/// Writes a time: `350 µs`.
pub(crate) fn seconds(seconds: f64) -> String {
    say(Unit::Seconds, seconds)
}

/// Writes a size: `9.63 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    say(Unit::Bytes, bytes)
}

/// Writes a rate: `81,300/s`.
pub(crate) fn per_second(rate: f64) -> String {
    say(Unit::PerSecond, rate)
}

/// Writes a whole number: `16,350`.
pub(crate) fn number(number: f64) -> String {
    grouped(number, 0)
}

/// Writes how many there are: `10,000`.
pub(crate) fn count(things: usize) -> String {
    number(things as f64)
}

/// Writes a quotient with the two digits that it is known to: `2.4`, `42`, `1,300`.
pub(crate) fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 9.95 => grouped(ratio, 1),
        ratio if ratio < 99.5 => number(ratio),
        ratio => {
            let unit = 10_f64.powi(ratio.log10().floor() as i32 - 1);
            number((ratio / unit).round() * unit)
        }
    }
}

/// Writes a figure on an axis, as shortly as it can be: `10k`, `1 ms`.
pub(crate) fn tick(unit: Unit, figure: f64) -> String {
    let (per, sign) = prefix(unit, figure.abs());
    let counts = matches!(unit, Unit::Count | Unit::PerSecond | Unit::Ratio);
    let (number, letter) = match figure / per {
        number if counts && number.abs() >= 999_500.0 => (number / 1e6, "M"),
        number if counts && number.abs() >= 9_999.5 => (number / 1e3, "k"),
        number => (number, ""),
    };
    with_sign(format!("{}{letter}", short(number)), sign)
}

/// Writes a number with as many decimals as it needs, at most six.
pub(crate) fn short(number: f64) -> String {
    let text = grouped(number, 6);
    if !text.contains('.') || text.contains('e') {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

fn with_sign(number: String, sign: &str) -> String {
    match sign.chars().next() {
        Some(first) if first.is_alphabetic() || first == '%' => format!("{number} {sign}"),
        _ => number + sign,
    }
}

/// Writes a number with commas between groups of three digits.
pub(crate) fn grouped(number: f64, decimals: usize) -> String {
    if number.abs() >= 1e15 {
        return format!("{number:.2e}");
    }
    let text = format!("{number:.decimals$}");
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) if rest.contains(|c: char| c.is_ascii_digit() && c != '0') => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", text.as_str()),
    };
    let whole = text.find('.').unwrap_or(text.len());
    let mut grouped = String::from(sign);
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(c);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_one_prefix_and_as_many_decimals() {
        let scale = Scale::of(Unit::Seconds, [0.020_1, 0.001_03, 0.5]);
        assert_eq!(scale.sign, "ms");
        let shown = [0.020_1, 0.001_03, 0.5].map(|s| scale.number(s));
        assert_eq!(shown, ["20.1", "1.0", "500.0"]);
        let scale = Scale::of(Unit::Count, [16_012.0, 4.0]);
        assert_eq!(scale.number(16_012.0), "16,012");
        assert_eq!(Scale::of(Unit::Share, [0.5]).number(0.5), "50");
        assert_eq!(Scale::of(Unit::Seconds, []).number(0.0), "0");
    }

    #[test]
    fn a_column_of_nanoseconds_and_minutes_has_a_prefix_for_each() {
        let scale = Scale::of(Unit::Seconds, [5e-9, 60.0]);
        assert_eq!((scale.sign, scale.number(5e-9).as_str()), ("", "5 ns"));
    }

    #[test]
    fn figures_in_sentences_have_three_digits_and_a_unit() {
        let shown = [1.034, 0.35, 0.012_41, 0.000_35].map(|s| say(Unit::Seconds, s));
        assert_eq!(shown, ["1.03 s", "350 ms", "12.4 ms", "350 µs"]);
        assert_eq!(say(Unit::Bytes, 5_400_000.0), "5.15 MiB");
        assert_eq!(say(Unit::Ratio, 1.94), "1.94×");
        assert_eq!(say(Unit::Count, -1_234_567.0), "-1,234,567");
        assert_eq!(say(Unit::PerSecond, 250_000.0), "250,000/s");
        assert_eq!(say(Unit::Share, 0.034), "3.40 %");
        assert_eq!(
            [81_342.0, 1_234.0, 987.4].map(per_second),
            ["81,300/s", "1,230/s", "987/s"]
        );
        assert_eq!([0.0, 12.0, 9_830.0].map(bytes), ["0 B", "12 B", "9.60 KiB"]);
        assert_eq!([0.0, 4.6e-6].map(seconds), ["0 s", "4.60 µs"]);
        assert_eq!([2.44, 42.3, 1_296.0].map(times), ["2.4", "42", "1,300"]);
    }

    #[test]
    fn ticks_are_short() {
        let shown = [100.0, 20_000.0, 1e6].map(|count| tick(Unit::Count, count));
        assert_eq!(shown, ["100", "20k", "1M"]);
        assert_eq!(tick(Unit::Seconds, 1e-5), "10 µs");
        assert_eq!(grouped(-0.000_1, 2), "0.00");
    }
}
