//! Idle connections of a client, kept by where they lead.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::ClientConnection;
use crate::lease::Freed;
use crate::target::Origin;

/// How long a connection may be idle. Most servers wait longer before they close it.
const MAX_IDLE_TIME: Duration = Duration::from_secs(15);
/// How often connections that have been idle for too long are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// What connections serve the same requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Where they lead: to a server, straight or through a proxy, or to a proxy that sends requests on.
    pub(crate) origin: Origin,
    pub(crate) forward: bool,
    /// Whether HTTP/2 was not offered, since a request says HTTP/1.0.
    pub(crate) old: bool,
}

/// The idle connections of a client and its clones.
pub(crate) struct Pool {
    /// The most idle connections to all hosts.
    max_idle: usize,
    idle: Mutex<Idle>,
    freed: Arc<Freed>,
}

/// A connection, and since when it is idle.
type Since = (Instant, ClientConnection);

struct Idle {
    /// The connections to each host, the oldest first; no host has none.
    hosts: HashMap<Key, VecDeque<Since>>,
    /// How many there are to all hosts.
    count: usize,
    swept: Instant,
}

impl Pool {
    pub(crate) fn new(max_idle: usize) -> Pool {
        Pool {
            max_idle,
            idle: Mutex::new(Idle {
                hosts: HashMap::new(),
                count: 0,
                swept: Instant::now(),
            }),
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
            let (since, mut connection) = self.with(|idle| idle.take(key, VecDeque::pop_back))?;
            if since.elapsed() < MAX_IDLE_TIME && connection.is_open().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request. If there are enough, the oldest is closed for it.
    pub(crate) fn put(&self, key: Key, connection: ClientConnection) {
        let now = Instant::now();
        // Connections are closed after the lock is released.
        let closed = self.with(|idle| {
            // A host that is never asked again would keep its old connections otherwise.
            let mut closed = match now - idle.swept >= SWEEP {
                true => idle.sweep(now),
                false => Vec::new(),
            };
            idle.hosts
                .entry(key)
                .or_default()
                .push_back((now, connection));
            idle.count += 1;
            if idle.count > self.max_idle {
                closed.extend(idle.take_oldest());
            }
            closed
        });
        drop(closed);
        self.freed.notify();
    }

    /// Closes the connection that has been idle for the longest time; returns whether there was one.
    pub(crate) fn close_oldest(&self) -> bool {
        let oldest = self.with(Idle::take_oldest);
        oldest.is_some()
    }
}

impl Idle {
    /// Takes one of a host's connections.
    fn take(
        &mut self,
        key: &Key,
        which: fn(&mut VecDeque<Since>) -> Option<Since>,
    ) -> Option<Since> {
        let host = self.hosts.get_mut(key)?;
        let taken = which(host)?;
        if host.is_empty() {
            self.hosts.remove(key);
        }
        self.count -= 1;
        Some(taken)
    }

    /// Takes all connections that have been idle for too long.
    fn sweep(&mut self, now: Instant) -> Vec<Since> {
        let mut old = Vec::new();
        self.hosts.retain(|_, host| {
            let count = host.partition_point(|(since, _)| now - *since >= MAX_IDLE_TIME);
            old.extend(host.drain(..count));
            !host.is_empty()
        });
        (self.count, self.swept) = (self.count - old.len(), now);
        old
    }

    fn take_oldest(&mut self) -> Option<Since> {
        let age = |host: &VecDeque<Since>| host.front().map(|(since, _)| *since);
        let oldest = self.hosts.iter().min_by_key(|(_, host)| age(host));
        let key = oldest?.0.clone();
        self.take(&key, VecDeque::pop_front)
    }
}
