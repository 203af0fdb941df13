//! What a server that runs as a command says to its operator.

use std::fmt;
use std::sync::Arc;

use switchboard_reactor::{self as reactor, Closed, Hooks, Name, Opened, Stall};

use crate::log::Log;

/// Returns hooks that write to `log`, as events if `traced`. If `quiet`, notices are left out; stalls, panics
/// and errors of handlers never are.
pub(crate) fn hooks(log: &Log, traced: bool, quiet: bool) -> Arc<dyn Hooks> {
    let log = log.clone();
    Arc::new(LogHooks { log, traced, quiet })
}

struct LogHooks {
    log: Log,
    traced: bool,
    quiet: bool,
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
