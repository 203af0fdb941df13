//! A view of a descriptor in a running program: its wait, and the bytes that it has carried.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The operation that a descriptor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// None: its flow runs, or waits for something else.
    Nothing,
    /// For bytes, or the end of input.
    Receive,
    /// For the peer to take bytes.
    Send,
}

/// The traffic of one descriptor, and what it waits for. One thread uses the descriptor at a time as a rule;
/// others read this.
///
/// ```
/// use switchboard_reactor::{Activity, Waiting};
///
/// let activity = Activity::default();
/// activity.begin(Waiting::Receive);
/// assert_eq!(activity.waiting().0, Waiting::Receive);
/// activity.end(Waiting::Receive, 5);
/// assert_eq!((activity.received(), activity.sent()), (5, 0));
/// assert_eq!(activity.waiting().0, Waiting::Nothing);
/// ```
pub struct Activity {
    received: AtomicU64,
    sent: AtomicU64,
    /// [`Waiting`] in the two lowest bits, above them the time since when in milliseconds.
    waiting: AtomicU64,
}

impl Default for Activity {
    fn default() -> Activity {
        Activity {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            waiting: AtomicU64::new(encode(Waiting::Nothing)),
        }
    }
}

impl Activity {
    /// Notes that an operation waits, unless it did so already.
    pub fn begin(&self, waiting: Waiting) {
        if self.waiting.load(Ordering::Relaxed) & 3 != waiting as u64 {
            self.waiting.store(encode(waiting), Ordering::Relaxed);
        }
    }

    /// Notes that an operation has ended and carried `bytes`.
    pub fn end(&self, waiting: Waiting, bytes: usize) {
        let carried = match waiting {
            Waiting::Send => &self.sent,
            Waiting::Receive | Waiting::Nothing => &self.received,
        };
        carried.fetch_add(bytes as u64, Ordering::Relaxed);
        self.begin(Waiting::Nothing);
    }

    /// Takes back that so many bytes were sent.
    pub fn take_back_sent(&self, bytes: usize) {
        self.sent.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Returns the bytes received so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Returns the bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns what the descriptor waits for and since how long, to within some milliseconds.
    pub fn waiting(&self) -> (Waiting, Duration) {
        let word = self.waiting.load(Ordering::Relaxed);
        let waiting = match word & 3 {
            1 => Waiting::Receive,
            2 => Waiting::Send,
            _ => Waiting::Nothing,
        };
        (
            waiting,
            Duration::from_millis(now().saturating_sub(word >> 2)),
        )
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, since) = self.waiting();
        write!(
            f,
            "Activity({waiting:?} for {since:?}, {} in, {} out)",
            self.received(),
            self.sent()
        )
    }
}

fn encode(waiting: Waiting) -> u64 {
    now() << 2 | waiting as u64
}

/// Returns the monotonic clock in milliseconds; on Linux the coarse one, which costs some nanoseconds.
fn now() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::MonotonicCoarse;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}
