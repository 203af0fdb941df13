//! A limit of the bytes per second that a client receives.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use switchboard_runtime as runtime;

/// The bytes that all bodies of a client and its clones may have, over time.
pub(crate) struct Rate {
    bytes_per_second: NonZeroU64,
    /// When the bytes that were received are paid for.
    paid: Mutex<Option<Instant>>,
}

impl Rate {
    pub(crate) fn new(bytes_per_second: NonZeroU64) -> Rate {
        Rate {
            bytes_per_second,
            paid: Mutex::default(),
        }
    }

    /// Notes bytes that were received, and returns when they are paid for. What is not read until then fills the socket,
    /// and so the server sends no faster.
    pub(crate) fn receive(&self, bytes: usize) -> Instant {
        self.note(bytes, runtime::now())
    }

    fn note(&self, bytes: usize, now: Instant) -> Instant {
        let seconds = bytes as f64 / self.bytes_per_second.get() as f64;
        // A limit of a byte in years is as good as one in a day.
        let pause = Duration::from_secs_f64(seconds.min(86_400.0));
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let until = paid.map_or(now, |paid| paid.max(now)) + pause;
        *paid = Some(until);
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_paid_for_one_after_the_other_and_not_in_advance() {
        let rate = Rate::new(NonZeroU64::new(1000).unwrap());
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(rate.note(500, start), after(500));
        assert_eq!(rate.note(250, after(100)), after(750));
        // Nothing is saved up while nothing comes.
        assert_eq!(rate.note(100, after(5000)), after(5100));
    }
}
