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
    /// How many there are in all lists, with those that are about to be put into one.
    count: AtomicUsize,
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
            self.count.fetch_sub(1, Ordering::Relaxed);
            // Older ones are left to the next purge.
            (now.saturating_sub(idle.since) <= LIMIT).then_some(idle.connection)
        })
    }

    /// Keeps a connection, unless there are `most` already.
    pub(crate) fn put(&self, connection: ClientConnection, now: u64, most: usize) {
        if self.count.fetch_add(1, Ordering::Relaxed) < most {
            let since = now;
            self.list(own_list()).push(Idle { connection, since });
        } else {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Closes connections that have waited for too long.
    pub(crate) fn purge(&self, now: u64) {
        for index in 0..LISTS {
            let mut list = self.list(index);
            let old = list.partition_point(|idle| now.saturating_sub(idle.since) > LIMIT);
            let closed: Vec<Idle> = list.drain(..old).collect();
            drop(list);
            self.count.fetch_sub(closed.len(), Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use switchboard_net::Stream;

    use super::*;

    #[test]
    fn the_most_counts_for_all_threads() {
        let idle = IdleConnections::default();
        let put = || idle.put(ClientConnection::new(Stream::pair().unwrap().0), 0, 3);
        for _ in 0..LISTS {
            std::thread::scope(|scope| scope.spawn(put).join().unwrap());
        }
        let taken = || (0..LISTS).filter_map(|_| idle.take(0)).count();
        assert_eq!(taken(), 3);
        put();
        idle.purge(LIMIT + 1);
        assert_eq!(taken(), 0);
        (0..LISTS).for_each(|_| put());
        assert_eq!(taken(), 3);
    }
}
