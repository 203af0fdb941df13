//! What a server counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use switchboard_runtime::Event;

/// What became of a server's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Connections accepted.
    pub accepted: u64,
    /// Handlers that panicked; each ended its own connection only.
    pub panicked: u64,
    /// Handlers that returned an error, such as a reset by the peer.
    pub failed: u64,
    /// Connections accepted but closed at once, for want of a thread or process.
    pub refused: u64,
    /// Connections that were still open when the time to drain was over.
    pub cut: u64,
    /// The most that were open at once, per worker.
    pub peak: u64,
    /// Worker processes that died and were replaced.
    pub replaced: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: Report) {
        self.accepted += other.accepted;
        self.panicked += other.panicked;
        self.failed += other.failed;
        self.refused += other.refused;
        self.cut += other.cut;
        self.peak = self.peak.max(other.peak);
        self.replaced += other.replaced;
    }
}

/// One worker's counters, shared with its connections.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) active: AtomicUsize,
    /// Set whenever a connection ends; the accept loop clears it before it waits.
    pub(crate) freed: Event,
    pub(crate) accepted: AtomicU64,
    pub(crate) panicked: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Handlers, or their processes, that did start.
    pub(crate) ran: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) peak: AtomicUsize,
}

pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    /// To be asked at the end, when whoever was accepted has started or never will.
    pub(crate) fn report(&self) -> Report {
        let accepted = self.accepted.load(Ordering::Relaxed);
        Report {
            accepted,
            panicked: self.panicked.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: accepted.saturating_sub(self.ran.load(Ordering::Relaxed)),
            cut: self.cut.load(Ordering::Relaxed),
            peak: self.peak.load(Ordering::Relaxed) as u64,
            replaced: 0,
        }
    }
}
