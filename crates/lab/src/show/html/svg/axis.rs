//! Axes: from values to places, and the marks between which a reader guesses.

use super::ticks::{base, decades, one_two_five, powers_of_two, round_step};
use super::{Anchor, Canvas, TYPE};
use crate::report::{Axis, Unit};
use crate::unit::{Scale, short, tick};

/// An axis that is laid out.
pub(super) struct Ruler {
    log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    /// The values that are marked, and how.
    pub(super) ticks: Vec<(f64, String)>,
    /// The name of the axis with its unit.
    pub(super) title: String,
}

/// How an axis is laid out.
pub(super) struct Layout {
    /// The place of the low end, in pixels.
    pub(super) from: f64,
    /// The place of the high end.
    pub(super) to: f64,
    /// Whether an axis with equal steps begins at zero.
    pub(super) zero: bool,
    /// Whether it ends where the values do, and not at the next mark.
    pub(super) tight: bool,
    /// About how many marks there may be.
    pub(super) most: usize,
}

impl Ruler {
    /// Lays out an axis for these values. Those that it cannot show, such as zero where each step multiplies, do not
    /// count.
    pub(super) fn new(axis: &Axis, values: &[f64], layout: &Layout) -> Ruler {
        let numbers = || {
            values
                .iter()
                .copied()
                .filter(|value| *value == 0.0 || (1e-300..=1e300).contains(&value.abs()))
        };
        let positive: Vec<f64> = numbers().filter(|value| *value > 0.0).collect();
        let log = axis.log && !positive.is_empty();
        let shown = if log { positive } else { numbers().collect() };
        let low = shown.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let high = shown.iter().copied().reduce(f64::max).unwrap_or(1.0);
        let mut ruler = Ruler {
            log,
            low,
            high,
            from: layout.from,
            to: layout.to,
            ticks: Vec::new(),
            title: axis.name.clone(),
        };
        match log {
            true => ruler.multiply(axis.unit, layout.most),
            false => ruler.add(axis.unit, layout),
        }
        ruler
    }

    /// Marks an axis each of whose steps multiplies: 1, 2, 5, 10, or powers of ten; powers of two for bytes.
    fn multiply(&mut self, unit: Unit, most: usize) {
        if self.high / self.low < 1.5 {
            (self.low, self.high) = (self.low / 1.5, self.high * 1.5);
        }
        let marks = match unit {
            Unit::Bytes => powers_of_two(self.low, self.high, most),
            _ => {
                let marks = one_two_five(self.low, self.high);
                self.low = marks[0];
                self.high = marks[marks.len() - 1];
                match marks.len() <= most {
                    true => marks,
                    false => decades(self.low, self.high, most),
                }
            }
        };
        self.low = self.low.min(marks[0]);
        self.high = self.high.max(marks[marks.len() - 1]);
        let named = marks.into_iter().map(|mark| (mark, tick(unit, mark)));
        self.ticks = named.collect();
    }

    /// Marks an axis whose steps are equal, at round numbers of the unit's prefix.
    fn add(&mut self, unit: Unit, layout: &Layout) {
        let (mut low, mut high) = (self.low, self.high);
        if layout.zero || (low > 0.0 && low < high * 0.3) {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        if high - low <= high.abs() * 1e-9 {
            high = if low == 0.0 { 1.0 } else { low + low.abs() };
        }
        let per = base(unit, low.abs().max(high.abs()));
        let step = round_step((high - low) / per / layout.most as f64) * per;
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil();
        self.low = first * step;
        self.high = if layout.tight { high } else { last * step };
        let marks = first as i64..=last as i64;
        let marks = marks
            .map(|nth| nth as f64 * step)
            .filter(|mark| *mark <= self.high * (1.0 + 1e-9) || *mark <= 0.0);
        let counts = matches!(unit, Unit::Count | Unit::PerSecond | Unit::Ratio);
        self.ticks = marks
            .map(|mark| match counts {
                true => (mark, tick(Unit::Count, mark)),
                false => (mark, short(mark / per)),
            })
            .collect();
        let sign = match unit {
            Unit::PerSecond => "1/s",
            _ => Scale::of(unit, [low.abs().max(high.abs())]).sign,
        };
        if !sign.is_empty() {
            self.title = format!("{}, {sign}", self.title);
        }
    }

    /// Returns whether the axis has a place for the value.
    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// Returns the place of a value, within the ends.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = match self.log {
            true if value <= self.low => 0.0,
            true => (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln()),
            false => (value - self.low) / (self.high - self.low),
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Returns whether each step multiplies.
    pub(super) fn multiplies(&self) -> bool {
        self.log
    }

    /// Draws the marks below, the lines up from them, and the title.
    pub(super) fn draw_below(&self, canvas: &mut Canvas, top: f64, bottom: f64) {
        for (value, name) in &self.ticks {
            let x = self.at(*value);
            canvas.line("grid", (x, top), (x, bottom));
            canvas.text("", (x, bottom + 18.0), Anchor::Middle, name);
        }
        let middle = f64::midpoint(self.from, self.to);
        let title = self.full_title();
        canvas.text("name", (middle, bottom + 38.0), Anchor::Middle, &title);
    }

    /// Draws the marks at the left, the lines from them, and the title above.
    pub(super) fn draw_left(&self, canvas: &mut Canvas, left: f64, right: f64) {
        for (value, name) in &self.ticks {
            let y = self.at(*value);
            canvas.line("grid", (left, y), (right, y));
            canvas.text("", (left - 8.0, y + TYPE * 0.36), Anchor::End, name);
        }
        canvas.text("name", (0.0, TYPE), Anchor::Start, &self.full_title());
    }

    fn full_title(&self) -> String {
        match self.log {
            true => format!("{} (log scale)", self.title),
            false => self.title.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis, values: &[f64], most: usize) -> Vec<String> {
        let layout = Layout {
            from: 0.0,
            to: 100.0,
            zero: false,
            tight: false,
            most,
        };
        let ruler = Ruler::new(axis, values, &layout);
        for value in values {
            assert!((0.0..=100.0).contains(&ruler.at(*value)));
        }
        ruler.ticks.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn marks_are_round_numbers_of_the_prefix() {
        let time = Axis::linear("time", Unit::Seconds);
        assert_eq!(
            names(&time, &[0.0, 0.009], 5),
            ["0", "2", "4", "6", "8", "10"]
        );
        let memory = Axis::linear("memory", Unit::Bytes);
        assert_eq!(names(&memory, &[0.0, 3_000_000.0], 4), ["0", "1", "2", "3"]);
        let share = Axis::linear("CPU", Unit::Share);
        assert_eq!(
            names(&share, &[0.0, 1.0], 5),
            ["0", "20", "40", "60", "80", "100"]
        );
    }

    #[test]
    fn marks_that_multiply_are_one_two_five_or_decades() {
        let count = Axis::log("connections", Unit::Count);
        assert_eq!(
            names(&count, &[100.0, 900.0], 8),
            ["100", "200", "500", "1,000"]
        );
        let many = names(&count, &[100.0, 10_000.0, 1_000_000.0], 6);
        assert_eq!(many, ["100", "1,000", "10k", "100k", "1M"]);
        let time = Axis::log("time", Unit::Seconds);
        assert_eq!(
            names(&time, &[2e-6, 8e-3], 6),
            ["10 µs", "100 µs", "1 ms", "10 ms"]
        );
        let memory = Axis::log("memory", Unit::Bytes);
        let marks = names(&memory, &[4096.0, 60_000.0], 6);
        assert_eq!(marks, ["4 KiB", "8 KiB", "16 KiB", "32 KiB", "64 KiB"]);
    }

    /// Zero has no place where each step multiplies; equal values, and none, have an axis all the same.
    #[test]
    fn odd_values_have_an_axis() {
        let log = Axis::log("n", Unit::Count);
        let linear = Axis::linear("n", Unit::Count);
        for values in [
            &[][..],
            &[0.0],
            &[5.0, 5.0],
            &[0.0, 1e-300, 1e300],
            &[-3.0, -3.0],
            &[-1.0, 2.0],
        ] {
            for axis in [&log, &linear] {
                let names = names(axis, values, 5);
                assert!(
                    !names.is_empty() && names.len() <= 12,
                    "{values:?} {names:?}"
                );
            }
        }
    }
}
