//! Hooks: how the lab and the metrics watch a loop without touching it.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// What a callback or task is called in reports: where it was scheduled or spawned.
pub type Name = &'static Location<'static>;

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnReport {
    /// Timers that expired.
    pub timers: usize,
    /// Callbacks and task polls that ran.
    pub ran: usize,
    /// Descriptors that were ready.
    pub events: usize,
}

/// Something held the loop for longer than [`Budget::stall`](crate::Budget::stall).
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// Where the culprit was scheduled or spawned.
    pub name: Name,
    /// For how long nothing else ran; exact to a few milliseconds.
    pub held: Duration,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the loop was held for {} ms by what was started at {}: hand long work to run_blocking",
            self.held.as_millis(),
            self.name
        )
    }
}

/// Called by loops and servers as things happen, on the thread where they happen.
///
/// Every method does nothing unless it is overridden. A hook must not block.
///
/// ```
/// use switchboard_reactor::{Hooks, Stall};
///
/// struct Print;
/// impl Hooks for Print {
///     fn stall(&self, stall: &Stall) {
///         eprintln!("{stall}");
///     }
/// }
/// ```
pub trait Hooks: Send + Sync {
    /// A turn ended.
    fn turn(&self, _turn: &TurnReport) {}
    /// A callback or a task's poll held the loop for too long.
    fn stall(&self, _stall: &Stall) {}
    /// A callback of the loop panicked; the loop goes on.
    fn panic(&self, _name: Name) {}
    /// Something an operator should know, in one line.
    fn notice(&self, _text: &dyn fmt::Display) {}
    /// A server accepted a connection from `peer`.
    fn accept(&self, _peer: &dyn fmt::Display) {}
    /// A server's connection ended; `how` is its error, if it was one.
    fn close(&self, _how: Option<&dyn fmt::Display>) {}
}

/// The hooks that do nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Hooks for Quiet {}
