//! The hooks of a server that runs as a command, which write its log.

use std::fmt;
use std::sync::Arc;

use switchboard_reactor::{self as reactor, Closed, Hooks, Name, Opened, Stall, TurnReport};

use crate::log::Log;
use crate::metrics::Turns;

/// Hooks that write to a log.
pub(crate) struct LogHooks {
    pub(crate) log: Log,
    /// Lines are events of `tracing`.
    pub(crate) traced: bool,
    /// Notices are left out; stalls, panics and errors of handlers never are.
    pub(crate) quiet: bool,
    /// The turns are counted here.
    pub(crate) turns: Option<Arc<Turns>>,
}

impl LogHooks {
    fn line(&self, text: &dyn fmt::Display) {
        match self.traced {
            true => reactor::Log.notice(text),
            false => drop(self.log.line(format_args!("switchboard: {text}"))),
        }
    }
}

impl Hooks for LogHooks {
    fn turn(&self, turn: &TurnReport) {
        if let Some(turns) = &self.turns {
            turns.add(turn);
        }
    }

    fn stall(&self, stall: &Stall) {
        self.line(stall);
    }

    fn panic(&self, name: Name) {
        self.line(&format_args!("a callback started at {name} panicked"));
    }

    fn notice(&self, text: &dyn fmt::Display) {
        if !self.quiet {
            self.line(text);
        }
    }

    fn accept(&self, opened: &Opened<'_>) {
        reactor::Log.accept(opened);
    }

    fn close(&self, closed: &Closed<'_>) {
        match closed.is_warning() {
            true => self.line(closed),
            false => reactor::Log.close(closed),
        }
    }
}
