//! The memory of a process tree, sampled from a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::usage::tree_memory;

/// A thread that samples the memory of a process tree and keeps the maximum.
///
/// Every 50 ms the thread reads one `smaps_rollup` for each process, which takes a quarter of a
/// millisecond; memory that is in use only between two samples is missed. The kernel's own high-water
/// mark counts shared pages in each process, so the marks of several processes cannot be added.
///
/// ```
/// use switchboard_lab::Sampler;
///
/// let sampler = Sampler::start(std::process::id())?;
/// let most_bytes: Option<u64> = sampler.stop();
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Option<u64>>,
}

impl Sampler {
    /// Starts to sample the tree of the process `root`.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub fn start(root: u32) -> std::io::Result<Sampler> {
        let ended = Arc::new(AtomicBool::new(false));
        let thread_ended = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("sampler".into())
            .spawn(move || sample(root, &thread_ended))?;
        Ok(Sampler { ended, thread })
    }

    /// Stops the thread, waits for it, and returns the most bytes of all samples. `None` if the process
    /// did not exist in any of them.
    pub fn stop(self) -> Option<u64> {
        self.ended.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().ok().flatten()
    }
}

fn sample(root: u32, ended: &AtomicBool) -> Option<u64> {
    const EVERY: Duration = Duration::from_millis(50);
    let mut peak = None;
    loop {
        let start = Instant::now();
        peak = peak.max(tree_memory(root));
        // Large trees are sampled less often, so that sampling takes at most a twentieth of a core.
        let next = start + EVERY.max(start.elapsed() * 20);
        loop {
            if ended.load(Ordering::Acquire) {
                return peak;
            }
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // The call may return early, so the time is checked again.
            std::thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;
    use std::process::Command;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_sampler_measures_live_processes_only() {
        let sampler = Sampler::start(std::process::id()).unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let gone = Sampler::start(child.id()).unwrap();
        assert_eq!(gone.stop(), None);
        assert!(sampler.stop().unwrap() > 100_000);
        assert!(Usage::of_self().peak_rss > 100_000);
    }
}
