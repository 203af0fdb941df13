//! The clock of the stall report: cheap rather than fine.

use std::time::Duration;

/// Monotonic time, a few milliseconds coarse where that is cheaper.
pub(crate) fn coarse() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::MonotonicCoarse;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(CLOCK);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
