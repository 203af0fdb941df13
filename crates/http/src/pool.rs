//! Idle connections of a client, kept by scheme, host and port.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::ClientConnection;

/// The most idle connections to one host.
const MAX_PER_HOST: usize = 64;
/// The most idle connections to all hosts. Each of them holds a descriptor.
const MAX_IDLE: usize = 256;
/// How long a connection may be idle. Most servers wait longer before they close it.
const MAX_IDLE_TIME: Duration = Duration::from_secs(15);

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// Whether the scheme is https.
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

type Idle = HashMap<Origin, Vec<(Instant, ClientConnection)>>;

/// The idle connections of a client and its clones.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Idle>);

impl Pool {
    fn with<T>(&self, f: impl FnOnce(&mut Idle) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes an idle connection that is neither too old nor closed by the peer.
    pub(crate) async fn take(&self, origin: &Origin) -> Option<ClientConnection> {
        loop {
            let (since, mut connection) = self.with(|idle| idle.get_mut(origin)?.pop())?;
            if since.elapsed() < MAX_IDLE_TIME && connection.is_open().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, unless enough are kept; that one is closed.
    pub(crate) fn put(&self, origin: Origin, connection: ClientConnection) {
        let now = Instant::now();
        self.with(|idle| {
            // A host that is never asked again would keep its old connections otherwise.
            idle.retain(|_, connections| {
                connections.retain(|(since, _)| now - *since < MAX_IDLE_TIME);
                !connections.is_empty()
            });
            let all: usize = idle.values().map(Vec::len).sum();
            let connections = idle.entry(origin).or_default();
            if connections.len() < MAX_PER_HOST && all < MAX_IDLE {
                connections.push((now, connection));
            }
        });
    }
}
