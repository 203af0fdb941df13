//! The counters of a server.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// The report on a server's connections.
///
/// ```
/// use switchboard_server::Report;
///
/// assert_eq!(Report::default().accepted, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Connections accepted.
    pub accepted: u64,
    /// Handlers that panicked; each ended its own connection only.
    pub panicked: u64,
    /// Handlers that returned an error, such as a reset by the peer.
    pub failed: u64,
    /// Connections accepted but closed at once, because no thread or process could be started, or because their
    /// address had too many.
    pub refused: u64,
    /// Connections that were still open at the end of the drain.
    pub cut: u64,
    /// The most connections of one worker that were open at once.
    pub peak: u64,
    /// Worker processes that died and were replaced.
    pub replaced: u64,
}

impl Report {
    /// Adds the report of another worker.
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

/// A number with its noun, as "1 connection" and "2 connections".
#[doc(hidden)]
pub struct Count<N>(pub N, pub &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.0 == N::from(1) { "" } else { "s" };
        write!(f, "{} {}{ending}", self.0, self.1)
    }
}

/// The counters of one worker, shared with its connections.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) panicked: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) cut: AtomicU64,
    /// Bytes of connections that have ended, where the server is observed.
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    pub(crate) fn report(&self, peak: usize) -> Report {
        Report {
            accepted: self.accepted.load(Ordering::Relaxed),
            panicked: self.panicked.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            cut: self.cut.load(Ordering::Relaxed),
            peak: peak as u64,
            replaced: 0,
        }
    }
}
