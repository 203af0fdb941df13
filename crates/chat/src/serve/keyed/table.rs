//! The connections that requests find by their keys.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Keyed;
use crate::holders::new_session;
use crate::serve::ServiceOptions;
use crate::{Bye, Hub, Now};

/// The most connections: each needs one request only, so the limit of sockets is none for them.
const MOST: usize = 100_000;

/// The most whose clients have not said who they are: for another one, the oldest of them ends.
const NAMELESS: usize = 10_000;

/// The most bytes that wait in all connections that have no reader: the limit of sockets is none for them.
const UNREAD: usize = 256 * 1024 * 1024;

#[derive(Default)]
pub(in crate::serve) struct Table(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    keyed: HashMap<Arc<str>, Arc<Keyed>>,
    /// Those that had no name when they were looked at last, oldest first.
    nameless: VecDeque<Arc<str>>,
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
        let oldest = contents.make_room();
        if contents.keyed.len() >= MOST {
            return Err("there are too many connections: come back later\n");
        }
        contents.keyed.insert(key.clone(), keyed);
        contents.nameless.push_back(key.clone());
        drop(contents);
        if let Some(oldest) = oldest {
            oldest.end(Bye::HelloLate);
        }
        Ok(key)
    }

    pub(super) fn find(&self, key: &str) -> Option<Arc<Keyed>> {
        self.contents().keyed.get(key).cloned()
    }

    /// Ends a connection, since its client has left, perhaps for good.
    pub(super) fn close(&self, key: &str, for_good: bool) -> Option<()> {
        let closed = self.contents().keyed.remove(key);
        closed.map(|keyed| keyed.close(for_good))
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
        for (key, keyed) in &all {
            if keyed.look(now, options) {
                self.contents().keyed.remove(key);
            }
        }
        cut_unread(all.iter().map(|(_, keyed)| keyed));
        self.contents().forget_named();
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

impl Contents {
    /// Takes the oldest connection without a name out of the table, if there are too many of them.
    fn make_room(&mut self) -> Option<Arc<Keyed>> {
        if self.nameless.len() < NAMELESS {
            return None;
        }
        let key = self.nameless.pop_front()?;
        let is_nameless = self.keyed.get(&key)?.is_nameless();
        is_nameless.then(|| self.keyed.remove(&key)).flatten()
    }

    fn forget_named(&mut self) {
        let keyed = &self.keyed;
        self.nameless
            .retain(|key| keyed.get(key).is_some_and(|keyed| keyed.is_nameless()));
    }
}

/// Ends connections without a reader if too much waits in them, those first that were read longest ago.
fn cut_unread<'a>(all: impl Iterator<Item = &'a Arc<Keyed>>) {
    let unread = all.filter_map(|keyed| Some((keyed.unread()?, keyed)));
    let mut unread: Vec<_> = unread.filter(|((_, bytes), _)| *bytes > 0).collect();
    let mut held: usize = unread.iter().map(|((_, bytes), _)| bytes).sum();
    unread.sort_by_key(|((since, _), _)| *since);
    for ((_, bytes), keyed) in unread {
        if held <= UNREAD {
            break;
        }
        keyed.cut();
        held -= bytes;
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keyed = self.contents().keyed.len();
        f.debug_struct("Table").field("keyed", &keyed).finish()
    }
}
