//! How much a client may send.

use std::time::Instant;

/// A bucket of permits, which fills at a steady rate.
pub(crate) struct Bucket {
    permits: f32,
    at: Instant,
}

impl Bucket {
    /// Returns a full bucket.
    pub(crate) fn full(burst: u32, now: Instant) -> Bucket {
        Bucket {
            permits: burst as f32,
            at: now,
        }
    }

    /// Takes a permit. Returns whether there was one.
    pub(crate) fn take(&mut self, rate: u32, burst: u32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f32();
        self.at = now;
        self.permits = (self.permits + passed * rate as f32).min(burst as f32);
        let granted = self.permits >= 1.0;
        if granted {
            self.permits -= 1.0;
        }
        granted
    }
}
