//! How many connections there is room for.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_runtime::{Driver, Model, process_room, thread_room};

/// Descriptors left for everything but connections: files, resolvers, wake-ups of flows that wait
/// for several things.
const RESERVE: usize = 32;

/// The first descriptor that `select` can't watch.
const FD_SETSIZE: usize = 1024;

/// How many connections the descriptor limit (`RLIMIT_NOFILE`) leaves room for now, with a reserve.
///
/// ```
/// assert!(switchboard_server::descriptor_room() > 0);
/// ```
pub fn descriptor_room() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    limit.saturating_sub(open() + RESERVE).max(1)
}

fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count)
}

/// Raises the descriptor limit as far as the system lets this process, and says what it is now.
///
/// # Errors
/// The system's.
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

/// How many connections a server of `model` holds, and what says so.
pub(crate) fn limit(
    model: Model,
    driver: Driver,
    asked: Option<usize>,
    pool: usize,
    workers: usize,
) -> io::Result<(usize, String)> {
    let descriptors = descriptor_room();
    let mut room = (
        descriptors,
        format!("RLIMIT_NOFILE leaves room for {descriptors}"),
    );
    if model.has_loop() && driver == Driver::Select {
        let select = FD_SETSIZE.saturating_sub(open() + RESERVE).max(1);
        if select < room.0 {
            room = (
                select,
                format!("select's FD_SETSIZE leaves room for {select}"),
            );
        }
    }
    if matches!(model, Model::Threads | Model::Pool) {
        let (threads, limit) = thread_room();
        // The workers themselves, and the pool of run_blocking.
        let threads = threads.saturating_sub(workers + 64).max(1);
        if threads < room.0 {
            room = (
                threads,
                format!("{limit} leaves room for {threads} threads"),
            );
        }
    }
    if model == Model::Processes {
        let (processes, limit) = process_room();
        if processes < room.0 {
            room = (
                processes,
                format!("{limit} leaves room for {processes} processes"),
            );
        }
    }
    if let Some(asked) = asked {
        if asked > room.0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{asked} connections asked for, but {}: ask for less, or raise that limit",
                    room.1
                ),
            ));
        }
        room = (asked, format!("{asked} were asked for"));
    }
    match model {
        Model::Pool if pool * workers < room.0 => {
            Ok((pool * workers, format!("the pool has {pool} threads")))
        }
        Model::Blocking => Ok((workers, "model `blocking` serves one at a time".into())),
        _ => Ok(room),
    }
}
