//! How much one task does in a turn before it lets the others go on.
//!
//! A handler that never has to wait would never let go: its socket is always ready. So each poll of a task
//! has a budget, in calls and in bytes; when it is spent, the next operation yields.

/// Operations that one poll of a task may make.
const CALLS: u32 = 128;
/// Bytes that one poll of a task may move.
const BYTES: u32 = 128 * 1024;

/// What is left of a task's budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    calls: u32,
    bytes: u32,
}

impl Credit {
    pub(crate) const FULL: Credit = Credit {
        calls: CALLS,
        bytes: BYTES,
    };

    #[inline]
    pub(crate) fn is_spent(self) -> bool {
        self.calls == 0 || self.bytes == 0
    }

    /// What is left after a call that moved `bytes`.
    #[inline]
    pub(crate) fn after(self, bytes: usize) -> Credit {
        Credit {
            calls: self.calls.saturating_sub(1),
            bytes: self.bytes.saturating_sub(bytes as u32),
        }
    }
}
