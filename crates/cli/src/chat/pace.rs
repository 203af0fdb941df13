//! How fast commands are sent, and how soon a client comes back.

use std::time::{Duration, Instant};

/// What is sent at once, and each second in the long run: less than a server permits, 60 and 20.
const BURST: f64 = 40.0;
const RATE: f64 = 15.0;

/// The permits to send commands in one connection.
pub(super) struct Pace {
    permits: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace {
            permits: BURST,
            at: now,
        }
    }

    /// Takes a permit. Returns whether there was one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.permits = (self.permits + passed * RATE).min(BURST);
        self.at = now;
        let granted = self.permits >= 1.0;
        if granted {
            self.permits -= 1.0;
        }
        granted
    }

    /// Returns when there is the next permit.
    pub(super) fn next(&self) -> Instant {
        let missing = (1.0 - self.permits).max(0.0);
        self.at + Duration::from_secs_f64(missing / RATE)
    }
}

/// The longest pause is twice as long after each loss, up to the last of these.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// The pauses between connections.
#[derive(Default)]
pub(super) struct BackOff(u32);

impl BackOff {
    /// Returns how long to wait, at random, so that those who were cut off at once come back one by one.
    pub(super) fn pause(&mut self) -> Duration {
        let longest = PAUSE.saturating_mul(2_u32.saturating_pow(self.0));
        self.0 = self.0.saturating_add(1);
        longest.min(LONGEST).mul_f64(fastrand::f64())
    }

    /// Has a client that was too fast come back later.
    pub(super) fn slower(&mut self) {
        self.0 = self.0.max(3);
    }

    /// Begins anew, after a connection that has lasted.
    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_as_many_as_are_permitted() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        let at_once = std::iter::repeat_with(|| pace.take(now)).take_while(|granted| *granted);
        assert_eq!(at_once.count(), 40);
        for _ in 0..100 {
            assert!(!pace.take(now));
            now = pace.next() + Duration::from_micros(1);
            assert!(pace.take(now));
        }
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let mut back_off = BackOff::default();
        for round in 0..100 {
            let longest = PAUSE.saturating_mul(1 << round.min(10)).min(LONGEST);
            assert!(back_off.pause() <= longest, "{round}");
        }
        back_off.reset();
        assert!(back_off.pause() <= PAUSE);
    }
}
