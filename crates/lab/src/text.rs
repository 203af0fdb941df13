//! Formatting of lines and figures for the report.

/// Columns of the page.
pub(crate) const WIDTH: usize = 100;

/// Cuts a line, such as a long error, at the width of the page.
pub(crate) fn clip(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        None => line.to_owned(),
        Some(_) => line.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}

/// Formats a number with its noun: `1 page`, `2 pages`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Formats a time in a unit that suits it: `1.03 s`, `12.4 ms`, `350 us`.
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.1 => format!("{:.0} ms", s * 1e3),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} us", s * 1e6),
    }
}

/// Formats a rate, rounded to three digits or four: `81,300/s`.
pub(crate) fn per_second(rate: f64) -> String {
    let unit = match rate {
        rate if rate >= 10_000.0 => 100.0,
        rate if rate >= 1000.0 => 10.0,
        _ => 1.0,
    };
    let digits = format!("{:.0}", (rate / unit).round() * unit);
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + "/s"
}

/// Formats a size in MiB or GiB: `5.1 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib {
        mib if mib >= 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib if mib >= 100.0 => format!("{mib:.0} MiB"),
        mib => format!("{mib:.1} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_plural() {
        assert_eq!([count(1, "job"), count(2, "job")], ["1 job", "2 jobs"]);
    }

    #[test]
    fn times_and_sizes_have_three_digits_and_a_unit() {
        let times = [1.034, 0.35, 0.0124, 0.00035].map(seconds);
        assert_eq!(times, ["1.03 s", "350 ms", "12.4 ms", "350 us"]);
        let rates = [81_342.0, 1_234.0, 987.4, 1_234_567.0].map(per_second);
        assert_eq!(rates, ["81,300/s", "1,230/s", "987/s", "1,234,600/s"]);
        let sizes = [5_400_000, 200 << 20, 3 << 30].map(size);
        assert_eq!(sizes, ["5.1 MiB", "200 MiB", "3.0 GiB"]);
    }
}
