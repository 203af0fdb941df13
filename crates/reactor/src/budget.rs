//! How much one task does in a turn before it lets the others go on.
//!
//! A handler that never has to wait would never let go: its socket is always ready. So each poll of a task
//! has a budget of bytes and calls; when it is spent, the next operation yields.

use std::time::Duration;

/// How much one turn does before it looks at the kernel again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Callbacks and task polls.
    pub ready: usize,
    /// What may hold the loop before it is reported as a stall; below 10 ms the clock is too coarse.
    pub stall: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            ready: 1024,
            stall: Duration::from_millis(100),
        }
    }
}

/// Bytes that one poll of a task may move.
const BYTES: i64 = 128 * 1024;
/// A call that moves less counts as this many bytes, so that one poll makes at most 128 calls.
const LEAST: usize = 1024;

/// What is left of a task's budget, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit(i64);

impl Credit {
    pub(crate) const FULL: Credit = Credit(BYTES);

    #[inline]
    pub(crate) fn is_spent(self) -> bool {
        self.0 <= 0
    }

    /// What is left after a call that moved `bytes`.
    #[inline]
    pub(crate) fn after(self, bytes: usize) -> Credit {
        Credit(self.0 - bytes.max(LEAST) as i64)
    }
}
