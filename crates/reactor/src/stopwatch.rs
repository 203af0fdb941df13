//! The clock of the stall report: read after every callback and task, so it has to be cheap.
//!
//! Where the processor counts ticks in a register, a lap is one read of it, and the system's clock is
//! asked only when a lap may have been long.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Laps of fewer ticks are short: less than a millisecond on a processor that counts 2 GHz.
const SHORT: u64 = 1 << 20;

/// Measures how long each of several pieces of work takes, one after another.
pub(crate) struct Stopwatch {
    made: (u64, Instant),
    lap: Cell<u64>,
}

impl Stopwatch {
    pub(crate) fn new() -> Stopwatch {
        Stopwatch {
            made: (ticks(), Instant::now()),
            lap: Cell::new(ticks()),
        }
    }

    #[inline]
    pub(crate) fn restart(&self) {
        self.lap.set(ticks());
    }

    /// Ends a lap and begins the next; returns how long it was, unless it was shorter than a millisecond
    /// or so.
    #[inline]
    pub(crate) fn lap(&self) -> Option<Duration> {
        let now = ticks();
        let lap = now.saturating_sub(self.lap.replace(now));
        (lap >= SHORT).then(|| self.measure(lap, now))
    }

    /// Converts ticks to time by the rate since this stopwatch was made.
    #[cold]
    fn measure(&self, lap: u64, now: u64) -> Duration {
        let (ticks, instant) = self.made;
        let all = now.saturating_sub(ticks).max(1);
        instant.elapsed().mul_f64(lap as f64 / all as f64)
    }
}

/// The processor's count of ticks, at a constant rate on every x86-64 processor since 2008.
#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Nanoseconds of the monotonic clock.
#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_lap_is_measured() {
        let stopwatch = Stopwatch::new();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(20) {}
        let lap = stopwatch.lap().expect("a long lap");
        assert!(lap >= Duration::from_millis(19), "{lap:?}");
        assert!(lap <= begin.elapsed() + Duration::from_millis(1), "{lap:?}");
        // An immediate lap is short, unless the machine stopped this thread meanwhile.
        assert!(
            stopwatch
                .lap()
                .is_none_or(|lap| lap < Duration::from_secs(10))
        );
    }
}
