//! A stopwatch for the stall report, cheap enough to be read after every callback and task.
//!
//! On x86-64 a lap costs one read of the processor's tick counter; the system's clock is read only after a
//! lap that may have been long. On other processors each lap reads the system's monotonic clock.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The number of ticks below which a lap is short: about half a millisecond at 2 GHz.
const SHORT: u64 = 1 << 20;

/// A stopwatch that measures consecutive laps.
pub(crate) struct Stopwatch {
    created: (u64, Instant),
    lap: Cell<u64>,
}

impl Stopwatch {
    pub(crate) fn new() -> Stopwatch {
        Stopwatch {
            created: (ticks(), Instant::now()),
            lap: Cell::new(ticks()),
        }
    }

    #[inline]
    pub(crate) fn restart(&self) {
        self.lap.set(ticks());
    }

    /// Ends a lap and begins the next; returns the duration of the lap that ended, `None` if the lap was
    /// short.
    #[inline]
    pub(crate) fn lap(&self) -> Option<Duration> {
        let now = ticks();
        let lap = now.saturating_sub(self.lap.replace(now));
        (lap >= SHORT).then(|| self.measure(lap, now))
    }

    /// Converts ticks to time, at the average rate since the stopwatch was created.
    #[cold]
    fn measure(&self, lap: u64, now: u64) -> Duration {
        let (ticks, instant) = self.created;
        let elapsed = instant.elapsed();
        match now.checked_sub(ticks) {
            Some(all) if all >= lap => elapsed.mul_f64(lap as f64 / all as f64),
            // The counter went back, as when a virtual machine moves to another host.
            _ => Duration::ZERO,
        }
    }
}

/// Returns the processor's tick counter, whose rate is constant on x86-64 processors since 2008.
#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and the instruction accesses no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Returns the monotonic clock in nanoseconds.
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
        let is_right = (0..10).any(|_| {
            let before = Instant::now();
            let stopwatch = Stopwatch::new();
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(20) {}
            let lap = stopwatch.lap().expect("a long lap");
            let longest = before.elapsed() + Duration::from_millis(1);
            println!("{lap:?} of {longest:?}");
            // A stall between the looks at the two clocks makes the rate wrong.
            lap >= Duration::from_millis(19) && lap <= longest
        });
        assert!(is_right);
    }
}
