//! The settings that a server was built with.

use std::sync::Arc;
use std::time::Duration;

use switchboard_runtime::{Driver, Hooks, Model};

use crate::addresses::{Addresses, Refuse};
use crate::proxies::Proxies;
use crate::reload::Reload;
use crate::successor::Program;

/// How a server's work is divided.
///
/// ```
/// use switchboard_server::Workers;
///
/// assert_eq!(Workers::Processes(4).count(), 4);
/// assert_eq!(Workers::Threads(0).count(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// That many threads of this process.
    Threads(usize),
    /// That many processes, forked before the first connection; one that dies is replaced.
    Processes(usize),
}

impl Workers {
    /// Returns the number of workers, at least one.
    pub fn count(self) -> usize {
        match self {
            Workers::Threads(count) | Workers::Processes(count) => count.max(1),
        }
    }

    /// Returns how many workers share a process, and so its limits.
    pub(crate) fn sharing(self) -> usize {
        match self {
            Workers::Threads(_) => self.count(),
            Workers::Processes(_) => 1,
        }
    }
}

/// The bytes that must have come of a connection before the model `pool` gives it a thread.
#[derive(Clone)]
pub(crate) struct FirstBytes {
    pub(crate) enough: Enough,
    /// How long the bytes may take.
    pub(crate) limit: Duration,
}

/// Whether bytes are enough for a handler to begin.
pub(crate) type Enough = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) model: Model,
    pub(crate) driver: Driver,
    pub(crate) workers: Workers,
    pub(crate) pool: usize,
    pub(crate) first: Option<FirstBytes>,
    pub(crate) max_connections: Option<usize>,
    /// How many descriptors a connection takes, if its flow waits for several things at once.
    pub(crate) descriptors: Option<usize>,
    pub(crate) addresses: Option<Arc<Addresses>>,
    pub(crate) refuse: Option<Refuse>,
    pub(crate) proxies: Option<Arc<Proxies>>,
    pub(crate) drain: Duration,
    pub(crate) signals: bool,
    pub(crate) until_eof: bool,
    pub(crate) observed: bool,
    /// Whether a service manager's ways apply.
    pub(crate) managed: bool,
    /// What takes over from this process; present once a managed server listens.
    pub(crate) program: Option<Program>,
    pub(crate) reload: Reload,
    pub(crate) hooks: Arc<dyn Hooks>,
}

impl Settings {
    /// Returns whether the model `pool` holds connections that have no thread.
    pub(crate) fn holds_without_thread(&self) -> bool {
        cfg!(target_os = "linux") && self.first.is_some()
    }
}
