//! The CPU time of the whole process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

/// Returns whether there is a second, of sixty, in which the process uses less than `limit` of a core. Threads that
/// start late on a busy machine use CPU time in the first ones; a flow that spins does so in all in which the machine
/// has time for this process, as it has if this thread goes on in time.
pub(crate) fn is_idle(limit: f64) -> bool {
    (0..60).any(|_| {
        let (start, before) = (Instant::now(), cpu_time());
        std::thread::sleep(Duration::from_secs(1));
        let (used, lasted) = (cpu_time() - before, start.elapsed());
        let share = used.as_secs_f64() / lasted.as_secs_f64();
        println!("{:.2} % of a core", 100.0 * share);
        share < limit && lasted < Duration::from_millis(1200)
    })
}
