//! The time, read once for all that happens at it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, by both clocks.
///
/// ```
/// use std::time::Duration;
/// use switchboard_chat::Now;
///
/// let now = Now::read();
/// assert_eq!(now.after(Duration::from_secs(1)).unix, now.unix + 1000);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// By the clock that never goes back.
    pub instant: Instant,
    /// Milliseconds since 1970.
    pub unix: u64,
}

impl Now {
    /// Reads both clocks.
    pub fn read() -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            instant: Instant::now(),
            unix: unix.map_or(0, |since| since.as_millis() as u64),
        }
    }

    /// Returns the moment that is `time` later.
    pub fn after(self, time: Duration) -> Now {
        Now {
            instant: self.instant + time,
            unix: self.unix + time.as_millis() as u64,
        }
    }
}
