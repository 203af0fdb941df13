//! The values of an axis that are marked.

use crate::report::Unit;

/// Returns the base units of the prefix that suits the size.
pub(super) fn base(unit: Unit, size: f64) -> f64 {
    let sizes = [1e-9, 1e-6, 1e-3, 1.0];
    match unit {
        Unit::Seconds => sizes
            .into_iter()
            .rev()
            .find(|per| size >= *per)
            .unwrap_or(1e-9),
        Unit::Bytes => 1024_f64.powi((size.max(1.0).log2() / 10.0).floor().clamp(0.0, 4.0) as i32),
        Unit::Share => 0.01,
        _ => 1.0,
    }
}

/// Returns the least of 1, 2, 5, 10, 20 … that is no less.
pub(super) fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let nice = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power);
    nice.into_iter()
        .find(|nice| *nice >= step * 0.999_999)
        .unwrap_or(power * 10.0)
}

/// Returns 1, 2, 5, 10, 20 … times a power of ten, from the last that is no greater than `low` to the first that is no
/// less than `high`.
pub(super) fn one_two_five(low: f64, high: f64) -> Vec<f64> {
    let first = low.log10().floor() as i32;
    let last = high.log10().ceil() as i32;
    let digits = |power: i32| [1.0, 2.0, 5.0].map(|digit: f64| format!("{digit}e{power}"));
    let marks = (first..=last).flat_map(digits);
    // Parsed, so that 5e-6 is the number nearest to it, and is shown without a tail.
    let marks: Vec<f64> = marks.filter_map(|mark| mark.parse().ok()).collect();
    let begin = marks
        .iter()
        .rposition(|mark| *mark <= low * 1.000_001)
        .unwrap_or(0);
    let end = marks.iter().position(|mark| *mark >= high * 0.999_999);
    marks[begin..=end.unwrap_or(marks.len() - 1)].to_vec()
}

/// Returns powers of ten between the two, at most `most`.
pub(super) fn decades(low: f64, high: f64, most: usize) -> Vec<f64> {
    let first = (low.log10() - 1e-9).ceil() as i32;
    let last = (high.log10() + 1e-9).floor() as i32;
    let stride = ((last - first + 1) as usize).div_ceil(most.max(2));
    let powers = (first..=last).step_by(stride);
    let marks: Vec<f64> = powers
        .filter_map(|power| format!("1e{power}").parse().ok())
        .collect();
    if marks.is_empty() {
        vec![low, high]
    } else {
        marks
    }
}

/// Returns powers of two around the two, about `most`.
pub(super) fn powers_of_two(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (first, last) = (low.log2().floor() as i32, high.log2().ceil() as i32);
    let fits = |stride: &i32| ((last - first) / stride) < most as i32;
    let stride = [1, 2, 5, 10, 20].into_iter().find(fits);
    let stride = stride.unwrap_or((last - first) / most.max(1) as i32 + 1);
    // Strides of five and ten fall on whole prefixes.
    let begin = first.div_euclid(stride) * stride;
    let mut marks: Vec<f64> = (begin..=last)
        .step_by(stride as usize)
        .map(|power| 2_f64.powi(power))
        .collect();
    if marks.last().is_some_and(|mark| *mark < high) {
        marks.push(2_f64.powi((last.div_euclid(stride) + 1) * stride));
    }
    marks.retain(|mark| mark.is_normal());
    if marks.is_empty() {
        vec![low, high]
    } else {
        marks
    }
}
