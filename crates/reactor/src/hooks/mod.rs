//! Hooks: observer callbacks of a loop or server.

mod connection;
mod log;

use std::fmt;
use std::panic::Location;
use std::time::Duration;

pub use connection::{Closed, Ending, Opened, Traffic};

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
/// The default of each method but [`turn`](Hooks::turn) is a [`tracing`] event with target `switchboard`:
/// a warning for what an operator should know, and level `DEBUG` for connections that come and go. Where the
/// program has set no subscriber, warnings are lines on stderr instead, so that none is lost in silence.
/// [`Log`] has all defaults, and [`Quiet`] discards everything.
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
    /// Receives a stall: a callback or task poll that ran for too long. The default logs a warning.
    fn stall(&self, stall: &Stall) {
        log::warn(stall);
    }
    /// Receives the name of a callback that panicked. The loop continues. The default logs a warning.
    fn panic(&self, name: Name) {
        log::warn(&format_args!("a callback started at {name} panicked"));
    }
    /// Receives a notice: one line for the operator. The default logs a warning.
    fn notice(&self, text: &dyn fmt::Display) {
        log::warn(text);
    }
    /// Receives a connection that a server accepted. The default logs it at level `DEBUG`.
    fn accept(&self, accepted: &Opened<'_>) {
        log::accepted(accepted);
    }
    /// Receives the end of a connection, exactly once for each that was accepted. The default logs it as a
    /// warning if it [is one](Closed::is_warning), and at level `DEBUG` otherwise.
    ///
    /// Under the model `processes` the process of the connection calls this, in its own copy of the hooks. The
    /// server's process calls it only for a connection whose process did not: one that was refused or cut, or
    /// whose process was killed or was ended by the handler.
    fn close(&self, closed: &Closed<'_>) {
        log::closed(closed);
    }
}

/// Hooks with the default of every method: the hooks of a new loop or server.
///
/// ```
/// use std::sync::Arc;
/// use switchboard_reactor::{Driver, Log, Loop};
///
/// let lp = Loop::new(Driver::best())?;
/// lp.set_hooks(Arc::new(Log));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Hooks for Log {}

/// Hooks that discard everything.
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

impl Hooks for Quiet {
    fn stall(&self, _: &Stall) {}
    fn panic(&self, _: Name) {}
    fn notice(&self, _: &dyn fmt::Display) {}
    fn accept(&self, _: &Opened<'_>) {}
    fn close(&self, _: &Closed<'_>) {}
}
