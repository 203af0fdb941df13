//! Hooks: observer callbacks of a loop or server.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// The name of a callback or task in reports: the source location where it was scheduled or spawned.
pub type Name = &'static Location<'static>;

/// A report of one turn, as [`Hooks::turn`] receives it.
///
/// ```
/// let report = switchboard_reactor::TurnReport::default();
/// assert_eq!((report.timers, report.ran, report.events), (0, 0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnReport {
    /// How many timers expired.
    pub timers: usize,
    /// How many callbacks and task polls ran.
    pub ran: usize,
    /// How many events the driver reported.
    pub events: usize,
}

/// A report of a callback or task poll that ran for longer than [`Budget::stall`](crate::Budget::stall).
///
/// ```
/// use std::panic::Location;
/// use std::time::Duration;
/// use switchboard_reactor::Stall;
///
/// let stall = Stall { name: Location::caller(), held: Duration::from_millis(250) };
/// assert!(stall.to_string().starts_with("the loop was held for 250 ms by "));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// The source location where the callback was scheduled or the task was spawned.
    pub name: Name,
    /// How long it ran, to within a few milliseconds.
    pub held: Duration,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the loop was held for {} ms by a callback or task started at {}; run long work with run_blocking",
            self.held.as_millis(),
            self.name
        )
    }
}

/// An observer of loops and servers. Each method is called on the thread where its event happens, and must
/// not block.
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
    /// Receives a report at the end of each turn; the default does nothing.
    fn turn(&self, _turn: &TurnReport) {}
    /// Receives a stall: a callback or task poll that ran for too long; the default does nothing.
    fn stall(&self, _stall: &Stall) {}
    /// Receives the name of a callback that panicked; the default does nothing. The loop continues.
    fn panic(&self, _name: Name) {}
    /// Receives a notice: one line for the operator; the default discards it.
    fn notice(&self, _text: &dyn fmt::Display) {}
    /// Receives the peer of a connection that a server accepted; the default does nothing.
    fn accept(&self, _peer: &dyn fmt::Display) {}
    /// Receives the end of a server's connection, with the error `how` if there was one; the default does
    /// nothing.
    fn close(&self, _how: Option<&dyn fmt::Display>) {}
}

/// Hooks that do nothing: the hooks of a new loop.
///
/// ```
/// use std::sync::Arc;
/// use switchboard_reactor::{Driver, Loop, Quiet};
///
/// let lp = Loop::new(Driver::best())?;
/// lp.set_hooks(Arc::new(Quiet));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Hooks for Quiet {}
