//! The connections that requests find by their keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Keyed;
use crate::holders::new_session;
use crate::serve::ServiceOptions;
use crate::{Bye, Hub, Now};

/// The most connections: each needs one request only, so the limit of sockets is none for them.
const MOST: usize = 100_000;

#[derive(Default)]
pub(in crate::serve) struct Table(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    keyed: HashMap<Arc<str>, Arc<Keyed>>,
    stopped: bool,
}

impl Table {
    /// Opens a connection, and returns its key, which nobody can guess; or why there is none.
    pub(super) fn open(&self, hub: &Hub, now: Now) -> Result<Arc<str>, &'static str> {
        let keyed = Arc::new(Keyed::new(hub.connect(now), now.instant));
        let key: Arc<str> = new_session();
        let mut contents = self.contents();
        if contents.stopped {
            return Err("the server restarts: come back in a moment\n");
        }
        if contents.keyed.len() >= MOST {
            return Err("there are too many connections: come back later\n");
        }
        contents.keyed.insert(key.clone(), keyed);
        Ok(key)
    }

    pub(super) fn find(&self, key: &str) -> Option<Arc<Keyed>> {
        self.contents().keyed.get(key).cloned()
    }

    /// Ends a connection, since its client has left.
    pub(super) fn close(&self, key: &str) -> Option<()> {
        let closed = self.contents().keyed.remove(key);
        closed.map(|keyed| keyed.close())
    }

    /// Looks at all connections, and ends those that nobody reads. To be called now and then.
    pub(in crate::serve) fn look(&self, now: Now, options: &ServiceOptions) {
        let all: Vec<_> = {
            let contents = self.contents();
            let pairs = contents.keyed.iter();
            pairs
                .map(|(key, keyed)| (key.clone(), keyed.clone()))
                .collect()
        };
        // Ending one tells its rooms, which is done without the table's lock.
        for (key, keyed) in all {
            if keyed.look(now, options) {
                self.contents().keyed.remove(&key);
            }
        }
    }

    /// Asks all clients to come back, and opens no further connection.
    pub(in crate::serve) fn stop(&self) {
        let mut contents = self.contents();
        contents.stopped = true;
        for keyed in contents.keyed.values() {
            keyed.end(Bye::Restart);
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keyed = self.contents().keyed.len();
        f.debug_struct("Table").field("keyed", &keyed).finish()
    }
}
