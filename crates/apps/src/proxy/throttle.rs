//! Keeps a line that many requests cause from filling the log.

use std::sync::atomic::{AtomicU64, Ordering};

/// The shortest time between two lines, in milliseconds.
const PAUSE: u64 = 1000;

/// Lets one line a second pass, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    next_at: AtomicU64,
    held: AtomicU64,
}

impl Throttle {
    /// Returns how many lines were held back since the last one that passed; `None` to hold this one back, too.
    pub(crate) fn pass(&self, now: u64) -> Option<u64> {
        let order = Ordering::Relaxed;
        let next_at = self.next_at.load(order);
        let passes = now >= next_at
            && self
                .next_at
                .compare_exchange(next_at, now.saturating_add(PAUSE), order, order)
                .is_ok();
        match passes {
            true => Some(self.held.swap(0, order)),
            false => {
                self.held.fetch_add(1, order);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_passes_and_says_how_many_did_not() {
        let throttle = Throttle::default();
        let passed: Vec<_> = [0, 0, 999, 1000, 1001, 5000, 6000]
            .map(|now| throttle.pass(now))
            .into();
        assert_eq!(
            passed,
            [Some(0), None, None, Some(2), None, Some(1), Some(0)]
        );
    }
}
