//! Idle connections of a client, kept by where they lead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::ClientConnection;
use crate::lease::Freed;
use crate::target::Origin;

/// The most idle connections to one host.
const MAX_PER_HOST: usize = 64;
/// How long a connection may be idle. Most servers wait longer before they close it.
const MAX_IDLE_TIME: Duration = Duration::from_secs(15);

/// What connections serve the same requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Where they lead: to a server, straight or through a proxy, or to a proxy that sends requests on.
    pub(crate) origin: Origin,
    pub(crate) forward: bool,
    /// Whether HTTP/2 was not offered, since a request says HTTP/1.0.
    pub(crate) old: bool,
}

/// The connections to one host, the oldest first.
type Idle = HashMap<Key, Vec<(Instant, ClientConnection)>>;

/// The idle connections of a client and its clones.
pub(crate) struct Pool {
    /// The most idle connections to all hosts.
    max_idle: usize,
    idle: Mutex<Idle>,
    freed: Arc<Freed>,
}

impl Pool {
    pub(crate) fn new(max_idle: usize) -> Pool {
        Pool {
            max_idle,
            idle: Mutex::default(),
            freed: Arc::new(Freed::new()),
        }
    }

    /// Returns where the flows wait that need a descriptor.
    pub(crate) fn freed(&self) -> &Arc<Freed> {
        &self.freed
    }

    fn with<T>(&self, f: impl FnOnce(&mut Idle) -> T) -> T {
        f(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes an idle connection that is neither too old nor closed by the peer.
    pub(crate) async fn take(&self, key: &Key) -> Option<ClientConnection> {
        loop {
            let (since, mut connection) = self.with(|idle| idle.get_mut(key)?.pop())?;
            if since.elapsed() < MAX_IDLE_TIME && connection.is_open().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request. If there are enough, the oldest is closed for it.
    pub(crate) fn put(&self, key: Key, connection: ClientConnection) {
        let now = Instant::now();
        // Connections are closed after the lock is released.
        let mut closed = Vec::new();
        self.with(|idle| {
            // A host that is never asked again would keep its old connections otherwise.
            for connections in idle.values_mut() {
                let old = connections.partition_point(|(since, _)| now - *since >= MAX_IDLE_TIME);
                closed.extend(connections.drain(..old));
            }
            let connections = idle.entry(key).or_default();
            connections.push((now, connection));
            if connections.len() > MAX_PER_HOST {
                closed.push(connections.remove(0));
            }
            if idle.values().map(Vec::len).sum::<usize>() > self.max_idle {
                closed.extend(take_oldest(idle));
            }
            idle.retain(|_, connections| !connections.is_empty());
        });
        drop(closed);
        self.freed.notify();
    }

    /// Closes the connection that has been idle for the longest time; returns whether there was one.
    pub(crate) fn close_oldest(&self) -> bool {
        let oldest = self.with(take_oldest);
        oldest.is_some()
    }
}

fn take_oldest(idle: &mut Idle) -> Option<(Instant, ClientConnection)> {
    let hosts = idle
        .values_mut()
        .filter(|connections| !connections.is_empty());
    let host = hosts.min_by_key(|connections| connections[0].0)?;
    Some(host.remove(0))
}
