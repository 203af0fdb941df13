//! Room for threads: how many this machine lets a process have.
//!
//! Each thread of the standard library takes four kernel mappings (its stack, the guard page, the
//! signal stack and its guard), and near `vm.max_map_count` the set-up of a guard page fails inside
//! the new thread, which ends the process. So threads are counted, and refused in time.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_reactor::Name;

static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// How many threads flows hold now.
pub fn threads_alive() -> usize {
    ALIVE.load(Ordering::Relaxed)
}

const MAPPINGS_PER_THREAD: usize = 4;
/// Mappings left for the heap, for libraries and for everybody else.
const MAPPINGS_KEPT: usize = 2048;
/// Threads left for everybody else.
const THREADS_KEPT: usize = 64;

/// How many threads flows may hold at once, and which limit says so; computed at the first call.
///
/// ```
/// let (threads, limit) = switchboard_runtime::thread_capacity();
/// assert!(threads > 0 && !limit.is_empty());
/// ```
pub fn thread_capacity() -> (usize, &'static str) {
    static ROOM: OnceLock<(usize, &'static str)> = OnceLock::new();
    *ROOM.get_or_init(|| least(mappings().into_iter().chain(limits())))
}

/// How many processes this one may fork, and which limit says so.
///
/// ```
/// let (processes, limit) = switchboard_runtime::process_capacity();
/// assert!(processes > 0 && !limit.is_empty());
/// ```
pub fn process_capacity() -> (usize, &'static str) {
    least(limits())
}

type Limit = (usize, &'static str);

fn least(limits: impl IntoIterator<Item = Limit>) -> Limit {
    let least = limits.into_iter().min_by_key(|(limit, _)| *limit);
    least.unwrap_or((usize::MAX, "no limit is known"))
}

fn number(path: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    text.trim().parse().ok()
}

fn mappings() -> Option<Limit> {
    let mappings = number("/proc/sys/vm/max_map_count")?;
    let used = std::fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
    let room = mappings.saturating_sub(used + MAPPINGS_KEPT) / MAPPINGS_PER_THREAD;
    Some((room.max(1), "vm.max_map_count, at four mappings a thread"))
}

/// Those that count threads and processes alike.
fn limits() -> Vec<Limit> {
    let mut limits = Vec::new();
    let mut add = |limit: Option<usize>, used: usize, name| {
        let room = limit.map(|limit| limit.saturating_sub(used + THREADS_KEPT).max(1));
        limits.extend(room.map(|room| (room, name)));
    };
    add(
        number("/proc/sys/kernel/threads-max"),
        0,
        "kernel.threads-max",
    );
    add(number("/proc/sys/kernel/pid_max"), 0, "kernel.pid_max");
    add(
        number("/sys/fs/cgroup/pids.max"),
        number("/sys/fs/cgroup/pids.current").unwrap_or(0),
        "the control group's pids.max",
    );
    let user = rustix::process::getrlimit(rustix::process::Resource::Nproc).current;
    add(
        user.and_then(|n| usize::try_from(n).ok()),
        0,
        "RLIMIT_NPROC",
    );
    limits
}

/// Starts a counted thread.
pub(crate) fn start(name: Name, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (room, limit) = thread_capacity();
    let alive = Alive::new();
    if alive.0 > room {
        return Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("{room} threads are all that {limit} allows"),
        ));
    }
    let file = name.file().rsplit('/').next().unwrap_or_default();
    std::thread::Builder::new()
        .name(format!("{file}:{}", name.line()))
        .spawn(move || {
            let _alive = alive;
            run();
        })
        .map(drop)
}

/// One thread, from before its start to its end.
struct Alive(usize);

impl Alive {
    fn new() -> Alive {
        Alive(ALIVE.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}
