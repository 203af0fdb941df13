//! How many connections a server can hold at once.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_runtime::{Dispatch, Driver, process_capacity, thread_capacity};

use crate::counts::Count;
use crate::settings::{Settings, Workers};

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

/// A number of connections, and the limit that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) connections: usize,
    pub(crate) reason: String,
}

impl Capacity {
    fn new(connections: usize, reason: impl Into<String>) -> Capacity {
        Capacity {
            connections,
            reason: reason.into(),
        }
    }
}

/// Returns the capacity of each worker.
///
/// # Errors
/// `InvalidInput` if more connections are asked for than the system allows a process.
pub(crate) fn of_worker(settings: &Settings) -> io::Result<Capacity> {
    let count = settings.workers.count();
    // The workers that share a process, and so its limits.
    let sharing = match settings.workers {
        Workers::Threads(_) => count,
        Workers::Processes(_) => 1,
    };
    let process = of_process(settings, sharing);
    let mut worker = match settings.max_connections {
        Some(asked) if asked > process.connections => {
            let text = format!(
                "{} asked for, but {}: ask for less, or raise that limit",
                Count(asked, "connection"),
                process.reason
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Some(asked) => Capacity::new(asked / count, format!("{asked} were asked for")),
        None => Capacity::new(process.connections / sharing, process.reason),
    };
    worker.connections = worker.connections.max(1);
    let pool = settings.pool;
    Ok(match settings.model.dispatch() {
        Dispatch::PooledThread if !settings.holds_without_thread() && pool < worker.connections => {
            Capacity::new(pool, format!("the pool has {}", Count(pool, "thread")))
        }
        Dispatch::InTurn => Capacity::new(1, "model `blocking` serves one at a time"),
        _ => worker,
    })
}

/// Returns the lowest of the limits that the system sets a process of `workers`.
fn of_process(settings: &Settings, workers: usize) -> Capacity {
    let descriptors = descriptor_capacity();
    let mut limits = vec![Capacity::new(
        descriptors,
        format!("RLIMIT_NOFILE allows {descriptors}"),
    )];
    if settings.model.has_loop() && settings.driver == Driver::Select {
        let select = left_of(FD_SETSIZE);
        limits.push(Capacity::new(
            select,
            format!("select's FD_SETSIZE allows {select}"),
        ));
    }
    match settings.model.dispatch() {
        // Connections without a thread wait for their first bytes.
        Dispatch::PooledThread if settings.holds_without_thread() => {}
        Dispatch::Thread | Dispatch::PooledThread => {
            let (threads, limit) = thread_capacity();
            let threads = threads.saturating_sub(workers + OFFLOAD_THREADS).max(1);
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
