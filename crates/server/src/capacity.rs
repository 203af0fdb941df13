//! How many connections a server can hold at once.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_runtime::{Dispatch, Driver, process_capacity, thread_capacity};

use crate::counts::Count;
use crate::settings::Settings;

/// Descriptors left for everything but connections: files, resolvers, notifiers of flows that wait for
/// several things.
const RESERVE: usize = 32;

/// The first descriptor number that `select` cannot watch.
const FD_SETSIZE: usize = 1024;

/// Threads left for `run_blocking`.
const OFFLOAD_THREADS: usize = 64;

/// Returns how many more connections the descriptor limit (`RLIMIT_NOFILE`) allows now, less a reserve.
///
/// ```
/// assert!(switchboard_server::descriptor_capacity() > 0);
/// ```
pub fn descriptor_capacity() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    left_of(limit)
}

fn left_of(limit: usize) -> usize {
    limit.saturating_sub(open_descriptors() + RESERVE).max(1)
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count)
}

/// Raises the descriptor limit as far as the system lets this process, and returns the new limit.
///
/// # Errors
/// The system's.
///
/// ```
/// assert!(switchboard_server::raise_descriptor_limit()? > 0);
/// # std::io::Result::Ok(())
/// ```
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// A number of connections of each worker, and the limit that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// The most connections that a worker holds at once.
    pub(crate) connections: usize,
    /// The number of this worker from which on workers hold one connection less.
    less_from: usize,
    pub(crate) reason: String,
}

impl Capacity {
    fn new(connections: usize, reason: impl Into<String>) -> Capacity {
        Capacity {
            connections,
            less_from: usize::MAX,
            reason: reason.into(),
        }
    }

    /// Returns the capacity of each of `count` workers that hold `asked` connections in all.
    fn divide(asked: usize, count: usize) -> Capacity {
        let mut capacity = Capacity::new(asked.div_ceil(count), format!("{asked} were asked for"));
        if !asked.is_multiple_of(count) {
            capacity.less_from = asked % count;
        }
        capacity
    }

    /// Returns the capacity of one worker, given by its number.
    pub(crate) fn of(&self, worker: usize) -> Capacity {
        let less = usize::from(worker >= self.less_from);
        Capacity::new(self.connections - less, self.reason.clone())
    }
}

/// Returns the capacity of each worker.
///
/// # Errors
/// `InvalidInput` if more connections are asked for than the system allows all workers, or fewer than there
/// are workers.
pub(crate) fn of_worker(settings: &Settings) -> io::Result<Capacity> {
    let count = settings.workers.count();
    let sharing = settings.workers.sharing();
    let process = of_process(settings, sharing);
    let all = process.connections.saturating_mul(count / sharing);
    let worker = match settings.max_connections {
        Some(asked) if asked > all => {
            let text = format!(
                "{} asked for, but {}{}: ask for less, or raise that limit",
                Count(asked, "connection"),
                process.reason,
                if count > sharing { " a worker" } else { "" }
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Some(asked) if asked < count => {
            let text = format!(
                "{} asked for, but {count} workers: ask for one for each worker, or for fewer workers",
                Count(asked, "connection")
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Some(asked) => Capacity::divide(asked, count),
        None => Capacity::new((process.connections / sharing).max(1), process.reason),
    };
    let pool = settings.pool;
    Ok(match settings.model.dispatch() {
        Dispatch::PooledThread if !settings.holds_without_thread() && pool < worker.connections => {
            Capacity::new(pool, format!("the pool has {}", Count(pool, "thread")))
        }
        Dispatch::InTurn => Capacity::new(1, "model `blocking` serves one at a time"),
        _ => worker,
    })
}

/// Returns how many threads the pool of each worker has, and the limit that makes them fewer than were asked
/// for.
pub(crate) fn of_pool(settings: &Settings) -> (usize, Option<&'static str>) {
    let sharing = settings.workers.sharing();
    let (threads, limit) = threads_for(sharing);
    let threads = (threads / sharing).max(1);
    match settings.pool <= threads {
        true => (settings.pool, None),
        false => (threads, Some(limit)),
    }
}

/// Returns how many threads the connections of a process of `workers` can have, and what limits them.
fn threads_for(workers: usize) -> (usize, &'static str) {
    let (threads, limit) = thread_capacity();
    (
        threads.saturating_sub(workers + OFFLOAD_THREADS).max(1),
        limit,
    )
}

/// Returns the lowest of the limits that the system sets a process of `workers`.
fn of_process(settings: &Settings, workers: usize) -> Capacity {
    let each = match settings.descriptors {
        None => 1,
        // A blocking flow that waits for several things is woken by a descriptor of its own.
        Some(each) => each + usize::from(settings.model.dispatch() == Dispatch::Thread),
    };
    let descriptors = descriptor_capacity() / each;
    let mut limits = vec![Capacity::new(
        descriptors,
        format!("RLIMIT_NOFILE allows {descriptors}"),
    )];
    if settings.model.has_loop() && settings.driver == Driver::Select {
        let select = left_of(FD_SETSIZE) / each;
        limits.push(Capacity::new(
            select,
            format!("select's FD_SETSIZE allows {select}"),
        ));
    }
    match settings.model.dispatch() {
        // Connections without a thread wait for their first bytes.
        Dispatch::PooledThread if settings.holds_without_thread() => {}
        Dispatch::Thread | Dispatch::PooledThread => {
            let (threads, limit) = threads_for(workers);
            limits.push(Capacity::new(
                threads,
                format!("{limit} allows {}", Count(threads, "thread")),
            ));
        }
        Dispatch::Process => {
            let (processes, limit) = process_capacity();
            let noun = if processes == 1 {
                "process"
            } else {
                "processes"
            };
            let reason = format!("{limit} allows {processes} {noun}");
            limits.push(Capacity::new(processes, reason));
        }
        Dispatch::InTurn | Dispatch::Task | Dispatch::Stack | Dispatch::Object => {}
    }
    let least = limits.into_iter().min_by_key(|limit| limit.connections);
    least.unwrap_or_else(|| unreachable!("the descriptor limit is always there"))
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::*;
    use crate::{Bound, Model, Server, Workers};

    fn bind(workers: Workers, connections: usize) -> io::Result<Bound> {
        let server = Server::new().workers(workers).max_connections(connections);
        server.bind("127.0.0.1:0")
    }

    #[test]
    fn the_workers_hold_what_was_asked_for_and_no_more() {
        for (asked, each) in [(10, vec![4, 3, 3]), (9, vec![3; 3]), (3, vec![1; 3])] {
            let capacity = Capacity::divide(asked, 3);
            let held: Vec<_> = (0..3)
                .map(|worker| capacity.of(worker).connections)
                .collect();
            assert_eq!(held, each);
        }
    }

    #[test]
    fn fewer_connections_than_workers_are_refused() {
        for workers in [Workers::Threads(4), Workers::Processes(4)] {
            let error = bind(workers, 2).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(
                error
                    .to_string()
                    .starts_with("2 connections asked for, but 4 workers")
            );
        }
    }

    #[test]
    fn worker_processes_have_a_descriptor_limit_each() {
        let limit = getrlimit(Resource::Nofile).current;
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else {
            return;
        };
        let bound = bind(Workers::Processes(4), 2 * limit).unwrap();
        assert_eq!(bound.capacity().0, limit.div_ceil(2));
        assert!(bind(Workers::Processes(4), 4 * limit).is_err());
        assert!(bind(Workers::Threads(4), 2 * limit).is_err());
    }

    #[test]
    fn a_pool_has_no_more_threads_than_the_system_allows() {
        for first in [true, false] {
            let server = Server::new().model(Model::Pool).pool(usize::MAX);
            let server = match first {
                true => server.first_bytes(std::time::Duration::MAX, |_| true),
                false => server,
            };
            let bound = server.bind("127.0.0.1:0").unwrap();
            let (threads, _) = threads_for(1);
            assert_eq!(bound.pool(), threads);
        }
    }
}
