//! Budgets: how much one turn does, and how much one task does in a turn before it yields.
//!
//! Without a budget, a task whose socket is always ready would never yield. Each poll of a task has a
//! budget of bytes and calls; once the budget is spent, the next operation yields.

use std::time::Duration;

/// The limits of one turn.
///
/// ```
/// use std::time::Duration;
/// use switchboard_reactor::{Budget, Driver, Loop};
///
/// let lp = Loop::new(Driver::best())?;
/// lp.set_budget(Budget { stall: Duration::from_millis(20), ..Budget::default() });
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many callbacks and task polls run before the loop asks the driver for events again; 1,024 by
    /// default.
    pub ready: usize,
    /// How long one callback or task poll may run before it is reported as a stall; 100 ms by default.
    /// Below 10 ms the measurement is too coarse.
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

/// The number of bytes that one poll of a task may move.
const BYTES: i64 = 128 * 1024;
/// The least that a call counts for, in bytes, so that one poll makes at most 128 calls.
const LEAST: usize = 1024;

/// Stands for a budget that is spent and from which an operation was refused. No bytes add up to it.
const REFUSED: i64 = -(1 << 60);
const LAST_REFUSAL: i64 = REFUSED - 16;

/// The rest of a task's budget, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit(i64);

impl Credit {
    pub(crate) const FULL: Credit = Credit(BYTES);

    #[inline]
    pub(crate) fn is_spent(self) -> bool {
        self.0 <= 0
    }

    /// Returns the rest after an operation was refused for want of credit: it stays spent, so that a writer which
    /// takes a refusal for a short write does not go on. What goes on all the same, such as an executor within
    /// the task, gets a new budget in the end.
    pub(crate) fn refused(self) -> Credit {
        match self.0 {
            rest if rest > REFUSED => Credit(REFUSED),
            rest if rest > LAST_REFUSAL => Credit(rest - 1),
            _ => Credit::FULL,
        }
    }

    /// Returns the rest after a call that moved `bytes`.
    #[inline]
    pub(crate) fn after(self, bytes: usize) -> Credit {
        Credit(self.0 - bytes.max(LEAST) as i64)
    }
}
