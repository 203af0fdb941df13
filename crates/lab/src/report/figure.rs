//! A measured quantity with all its samples, its median, and how sure the median is.

use serde::{Deserialize, Serialize};

use crate::compare::measured::median;

/// All samples of one quantity, in the base unit of its column (seconds, bytes, a number). There is at least one.
///
/// ```
/// use switchboard_lab::Figure;
///
/// let figure = Figure::of(vec![3.0, 1.0, 2.0]).unwrap();
/// assert_eq!(figure.median(), 2.0);
/// assert_eq!(figure.interval().coverage, 0.75);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Figure {
    samples: Vec<f64>,
}

/// The form of a figure in JSON. What can be computed is written for readers and ignored when it is read.
#[derive(Serialize, Deserialize)]
struct Written {
    median: f64,
    low: f64,
    high: f64,
    samples: Vec<f64>,
}

/// An interval that holds the true median with a probability of `coverage`.
///
/// It is that of order statistics (Conover, Practical Nonparametric Statistics, 3.2): with n samples, the k-th least
/// and the k-th greatest hold the median with probability 1 − 2·P(B(n, ½) < k), whatever the distribution. `k` is the
/// greatest with at least 95 %; fewer than six samples have none, and then the interval is from the least to the
/// greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The low end.
    pub low: f64,
    /// The high end.
    pub high: f64,
    /// The probability, from 0 (one sample) to 1.
    pub coverage: f64,
}

impl Figure {
    /// Creates a figure; `None` without samples, or if a sample is no number.
    pub fn of(samples: Vec<f64>) -> Option<Figure> {
        let numbers = samples.iter().all(|sample| sample.is_finite());
        (numbers && !samples.is_empty()).then_some(Figure { samples })
    }

    /// Creates a figure that was measured once; `None` if it is no number.
    pub fn once(sample: f64) -> Option<Figure> {
        Figure::of(vec![sample])
    }

    /// Returns the samples in the order in which they were taken.
    pub fn samples(&self) -> &[f64] {
        &self.samples
    }

    /// Returns the median.
    pub fn median(&self) -> f64 {
        median(self.samples.clone())
    }

    /// Returns the interval of the median.
    pub fn interval(&self) -> Interval {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        // The probability that fewer than `k` of all samples are below the median, for k = 1.
        let mut term = 0.5_f64.powi(count as i32);
        if count > 1000 {
            // The power underflows; the normal approximation is exact to a sample here.
            let k = (count as f64 / 2.0 - 0.98 * (count as f64).sqrt()).floor() as usize;
            return Interval {
                low: sorted[k - 1],
                high: sorted[count - k],
                coverage: 0.95,
            };
        }
        let mut below = term;
        let mut k = 1;
        while k < count / 2 {
            term *= (count - k + 1) as f64 / k as f64;
            if 1.0 - 2.0 * (below + term) < 0.95 {
                break;
            }
            below += term;
            k += 1;
        }
        Interval {
            low: sorted[k - 1],
            high: sorted[count - k],
            coverage: (1.0 - 2.0 * below).max(0.0),
        }
    }

    /// Returns half the interval's width as a share of the median: 0.05 is ±5 %. Infinite for one sample.
    pub fn uncertainty(&self) -> f64 {
        if self.samples.len() < 2 {
            return f64::INFINITY;
        }
        let Interval { low, high, .. } = self.interval();
        let half = (high - low) / 2.0;
        match self.median().abs() {
            0.0 if half == 0.0 => 0.0,
            median => half / median,
        }
    }

    /// Returns whether the two differ beyond noise: their intervals do not overlap, and they have samples enough that
    /// chance alone parts all of theirs in one of ten cases at most (three and three, two and five).
    pub fn differs_from(&self, other: &Figure) -> bool {
        let (mine, theirs) = (self.interval(), other.interval());
        self.can_differ_from(other) && (mine.high < theirs.low || theirs.high < mine.low)
    }

    /// Returns whether the two have samples enough to differ beyond noise, however far apart they are.
    pub fn can_differ_from(&self, other: &Figure) -> bool {
        let (few, many) = (self.samples.len(), other.samples.len());
        // 2 ÷ C(few + many, few): of all orders of the samples, those in which the two lie apart.
        let chance = (1..=few).fold(2.0, |share, k| share * k as f64 / (many + k) as f64);
        chance <= 0.1 + 1e-9
    }
}

impl From<Written> for Figure {
    fn from(written: Written) -> Figure {
        let samples = match written.samples {
            samples if samples.is_empty() => vec![written.median],
            samples => samples,
        };
        Figure { samples }
    }
}

impl From<Figure> for Written {
    fn from(figure: Figure) -> Written {
        let Interval { low, high, .. } = figure.interval();
        Written {
            median: figure.median(),
            low,
            high,
            samples: figure.samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u32) -> Figure {
        Figure::of((1..=count).map(f64::from).collect()).unwrap()
    }

    /// The table of Conover, and what can be counted by hand.
    #[test]
    fn the_interval_is_that_of_order_statistics() {
        let expected = [
            (1, 1.0, 1.0, 0.0),
            (2, 1.0, 2.0, 0.5),
            (3, 1.0, 3.0, 0.75),
            (5, 1.0, 5.0, 0.9375),
            (6, 1.0, 6.0, 0.96875),
            (9, 2.0, 8.0, 0.9609),
            (15, 4.0, 12.0, 0.9648),
        ];
        for (count, low, high, coverage) in expected {
            let found = of(count).interval();
            assert_eq!((found.low, found.high), (low, high), "{count}");
            assert!(
                (found.coverage - coverage).abs() < 1e-4,
                "{count}: {found:?}"
            );
        }
    }

    #[test]
    fn one_run_differs_from_nothing() {
        let (low, high) = (of(6), Figure::of(vec![7.0, 8.0, 9.0]).unwrap());
        assert!(low.differs_from(&high) && high.differs_from(&low));
        assert!(!low.differs_from(&Figure::once(100.0).unwrap()));
        assert!(!low.differs_from(&Figure::of(vec![6.0, 8.0, 9.0]).unwrap()));
        assert_eq!(Figure::once(1.0).unwrap().uncertainty(), f64::INFINITY);
        assert_eq!(of(3).uncertainty(), 0.5);
    }

    #[test]
    fn two_and_two_samples_tell_nothing() {
        let of = |samples: &[f64]| Figure::of(samples.to_vec()).unwrap();
        assert!(!of(&[1.0, 2.0]).differs_from(&of(&[8.0, 9.0])));
        assert!(of(&[1.0, 2.0]).differs_from(&of(&[5.0, 6.0, 7.0, 8.0, 9.0])));
    }

    #[test]
    fn many_samples_have_an_interval_too() {
        let found = self::of(10_000).interval();
        assert_eq!((found.low, found.high), (4902.0, 5099.0));
    }

    #[test]
    fn samples_that_are_no_numbers_make_no_figure() {
        assert_eq!(Figure::of(vec![]), None);
        assert_eq!(Figure::once(f64::NAN), None);
        assert_eq!(Figure::of(vec![1.0, f64::INFINITY]), None);
    }

    #[test]
    fn json_shows_the_median_and_keeps_the_samples() {
        let text = serde_json::to_string(&of(3)).unwrap();
        assert_eq!(
            text,
            r#"{"median":2.0,"low":1.0,"high":3.0,"samples":[1.0,2.0,3.0]}"#
        );
        assert_eq!(serde_json::from_str::<Figure>(&text).unwrap(), of(3));
    }
}
