//! The work of the `cpu` workload: 7777 to the power of 200,000, by num-bigint.

use num_bigint::BigUint;

/// Computes the power, a number of some 778,000 digits.
pub fn power() -> BigUint {
    BigUint::from(7777_u32).pow(200_000)
}

/// Returns a word that depends on every digit, so that the compiler cannot skip the work.
pub fn digest(number: &BigUint) -> u64 {
    let digits = number.iter_u64_digits();
    digits.fold(number.bits(), |digest, digit| digest.rotate_left(7) ^ digit)
}

/// The expected [`digest`] of [`power`], computed with Python's integers.
pub(crate) const DIGEST: u64 = 0x721713a99aa99a10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_has_the_expected_digest() {
        let small = BigUint::from(7777_u32).pow(3);
        assert_eq!(small, BigUint::from(470_366_406_433_u64));
        assert_eq!(digest(&power()), DIGEST);
    }
}
