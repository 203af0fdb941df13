//! How likely noise alone makes a difference.

use crate::report::Figure;

/// The noise that is usual in a column.
pub(super) struct Noise {
    /// Of positive figures, whose logarithms are compared.
    logs: Usual,
    /// Of the others: where one sample is 0, or less, the samples themselves are compared.
    plain: Usual,
}

/// What is usual of variances.
struct Usual {
    median: f64,
    /// In which outliers count.
    mean: f64,
}

/// With fewer samples than this, chance may have picked nothing but outliers.
const FEW: usize = 5;

impl Noise {
    /// Measures the noise of a column by the pairs of figures that are compared in it.
    pub(super) fn of<'a>(pairs: impl Iterator<Item = (&'a Figure, &'a Figure)> + Clone) -> Noise {
        let usual = |logs: bool| {
            let pairs = pairs
                .clone()
                .filter(|(old, new)| are_positive(old, new) == logs);
            let figures = pairs.flat_map(|(old, new)| [old, new]);
            let several = figures.filter(|figure| figure.samples().len() > 1);
            let mut variances: Vec<f64> = several.map(|figure| moments(figure, logs).1).collect();
            variances.sort_by(f64::total_cmp);
            Usual {
                median: variances.get(variances.len() / 2).copied().unwrap_or(0.0),
                mean: variances.iter().sum::<f64>() / variances.len().max(1) as f64,
            }
        };
        Noise {
            logs: usual(true),
            plain: usual(false),
        }
    }
}

fn are_positive(old: &Figure, new: &Figure) -> bool {
    let all = [old, new].into_iter().flat_map(Figure::samples);
    all.into_iter().all(|sample| *sample > 0.0)
}

/// Returns the mean and the variance of the samples, or of their logarithms.
fn moments(figure: &Figure, logs: bool) -> (f64, f64) {
    let samples = figure.samples().iter().map(|sample| match logs {
        true => sample.ln(),
        false => *sample,
    });
    let count = figure.samples().len() as f64;
    let mean = samples.clone().sum::<f64>() / count;
    let squares: f64 = samples.map(|sample| (sample - mean).powi(2)).sum();
    (mean, squares / (count - 1.0))
}

/// Returns the probability that two figures of the same differ at least as much: that of Welch's t, two-sided. No
/// variance is less than the usual one, since a few samples that happen to agree prove no silence; of very few, none is
/// less than the mean, since all of them may be outliers.
pub(super) fn p_value(old: &Figure, new: &Figure, noise: &Noise) -> f64 {
    let logs = are_positive(old, new);
    let noise = if logs { &noise.logs } else { &noise.plain };
    let few = old.samples().len().min(new.samples().len()) < FEW;
    let least = if few {
        noise.mean.max(noise.median)
    } else {
        noise.median
    };
    let share = |figure: &Figure| {
        let (mean, variance) = moments(figure, logs);
        let count = figure.samples().len() as f64;
        (mean, variance.max(least) / count, count - 1.0)
    };
    let ((a, va, da), (b, vb, db)) = (share(old), share(new));
    let error = va + vb;
    if error == 0.0 {
        return if a == b { 1.0 } else { 0.0 };
    }
    let freedom = error * error / (va * va / da + vb * vb / db);
    let t = (a - b) / error.sqrt();
    // P(|T| > t) is the regularised incomplete beta function at v / (v + t²).
    beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The regularised incomplete beta function, by Lentz's continued fraction (Numerical Recipes, 6.4).
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front =
        (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    match x < (a + 1.0) / (a + b + 2.0) {
        true => front * fraction(a, b, x) / a,
        false => 1.0 - front * fraction(b, a, 1.0 - x) / b,
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let tiny = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / tiny(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for factor in [even, odd] {
            d = 1.0 / tiny(1.0 + factor * d);
            c = tiny(1.0 + factor / c);
            step = d * c;
            result *= step;
        }
        if (step - 1.0).abs() < 1e-14 {
            break;
        }
    }
    result
}

/// The logarithm of the gamma function of a positive number, by Lanczos's sum (g = 7, n = 9).
fn ln_gamma(x: f64) -> f64 {
    const SUM: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let parts = SUM
        .iter()
        .zip(1..)
        .map(|(part, n)| part / (x + f64::from(n)));
    let sum = 0.999_999_999_999_809_9 + parts.sum::<f64>();
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Student's table: the two-sided 5 %, 1 % and 0.1 % points.
    #[test]
    fn the_distribution_is_students() {
        let table = [
            (1.0, 12.706, 0.05),
            (4.0, 2.776, 0.05),
            (10.0, 3.169, 0.01),
            (30.0, 3.646, 0.001),
            (4.0, 8.610, 0.001),
        ];
        for (freedom, t, expected) in table {
            let found = beta(freedom / 2.0, 0.5, freedom / (freedom + t * t));
            assert!(
                (found / expected - 1.0).abs() < 2e-3,
                "{freedom} {t}: {found}"
            );
        }
    }

    #[test]
    fn samples_that_happen_to_agree_are_as_noisy_as_their_column() {
        let of = |samples: &[f64]| Figure::of(samples.to_vec()).unwrap();
        let (one, two) = (of(&[1.0; 3]), of(&[2.0; 3]));
        let noisy = of(&[1.0, 2.0, 1.0, 2.0]);
        let alone = Noise::of([(&one, &two)].into_iter());
        let among = Noise::of([(&one, &two), (&noisy, &noisy), (&noisy, &noisy)].into_iter());
        assert_eq!(p_value(&one, &two, &alone), 0.0);
        assert!(p_value(&one, &two, &among) > 0.01);
        assert_eq!(p_value(&one, &one, &alone), 1.0);
    }

    #[test]
    fn a_row_of_zeros_hides_no_small_row() {
        let of = |samples: [f64; 5]| Figure::of(samples.into()).unwrap();
        let (old, new) = (
            of([1.0, 1.01, 0.99, 1.02, 0.98]),
            of([2.0, 2.02, 1.98, 2.01, 1.99]),
        );
        let (great, zeros) = (
            of([1e3, 1.1e3, 0.9e3, 1e3, 1e3]),
            of([0.0, 0.0, 5.0, 0.0, 0.0]),
        );
        let noise = Noise::of([(&old, &new), (&great, &great), (&zeros, &zeros)].into_iter());
        assert!(p_value(&old, &new, &noise) < 1e-4);
        assert!(p_value(&zeros, &zeros, &noise) > 0.99);
    }
}
