//! How much one flow of a loop does before it lets the others go on.
//!
//! A handler that never has to wait would never let go: its socket is always ready. So each task has
//! a budget per turn, in calls and in bytes; when it is spent, the next operation yields.

use std::cell::Cell;
use std::task::{Context, Poll};

const CALLS: u32 = 128;
const BYTES: u32 = 128 * 1024;

thread_local! {
    static LEFT: Cell<(u32, u32)> = const { Cell::new((CALLS, BYTES)) };
}

/// A task's turn begins.
pub(crate) fn renew() {
    LEFT.set((CALLS, BYTES));
}

/// A call moved `bytes`.
pub(crate) fn charge(bytes: usize) {
    let (calls, left) = LEFT.get();
    LEFT.set((calls.saturating_sub(1), left.saturating_sub(bytes as u32)));
}

/// Pending, once, if the budget is spent.
pub(crate) fn check(context: &mut Context<'_>) -> Poll<()> {
    let (calls, bytes) = LEFT.get();
    if calls > 0 && bytes > 0 {
        return Poll::Ready(());
    }
    // Renewed here too, because what is polled next may be no task of ours.
    renew();
    context.waker().wake_by_ref();
    Poll::Pending
}
