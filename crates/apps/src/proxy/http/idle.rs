//! Connections to a back end that wait for their next request.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_http::ClientConnection;

/// The lists. A thread prefers its own, because a connection is cheaper on the loop that it was used on.
const LISTS: usize = 8;
/// How long a connection may wait, in milliseconds: less than what servers allow.
const LIMIT: u64 = 4000;

thread_local! {
    static OWN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The waiting connections of one back end, for all workers of a process.
#[derive(Debug, Default)]
pub(crate) struct IdleConnections {
    lists: [Mutex<Vec<Idle>>; LISTS],
}

#[derive(Debug)]
struct Idle {
    connection: ClientConnection,
    /// The millisecond since which it waits.
    since: u64,
}

impl IdleConnections {
    /// Takes the connection that has waited for the shortest time, of this thread's if it has any.
    pub(crate) fn take(&self, now: u64) -> Option<ClientConnection> {
        let own = own_list();
        (0..LISTS).find_map(|step| {
            let idle = self.list((own + step) % LISTS).pop()?;
            // Older ones are left to the next purge.
            (now.saturating_sub(idle.since) <= LIMIT).then_some(idle.connection)
        })
    }

    /// Keeps a connection, unless this thread's list has `most` already.
    pub(crate) fn put(&self, connection: ClientConnection, now: u64, most: usize) {
        let mut list = self.list(own_list());
        if list.len() < most {
            let since = now;
            list.push(Idle { connection, since });
            return;
        }
        // Closed without the lock.
        drop(list);
    }

    /// Closes connections that have waited for too long.
    pub(crate) fn purge(&self, now: u64) {
        for index in 0..LISTS {
            let mut list = self.list(index);
            let old = list.partition_point(|idle| now.saturating_sub(idle.since) > LIMIT);
            let closed: Vec<Idle> = list.drain(..old).collect();
            drop(list);
            drop(closed);
        }
    }

    fn list(&self, index: usize) -> MutexGuard<'_, Vec<Idle>> {
        self.lists[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the number of this thread's list.
fn own_list() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    OWN.get().unwrap_or_else(|| {
        let number = THREADS.fetch_add(1, Ordering::Relaxed) % LISTS;
        OWN.set(Some(number));
        number
    })
}
