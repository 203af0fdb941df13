//! The capacity of threads and processes that the system lets this process have.
//!
//! Each thread of the standard library takes four kernel mappings: its stack, the guard page, the signal
//! stack and its guard. Near `vm.max_map_count` the set-up of a guard page fails inside the new thread,
//! which aborts the process. So threads are counted, and refused before that limit is reached.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_reactor::Name;

static THREADS_ALIVE: AtomicUsize = AtomicUsize::new(0);

const MAPPINGS_PER_THREAD: usize = 4;
/// Mappings left for the heap and for libraries.
const MAPPINGS_RESERVED: usize = 2048;
/// Threads left for the rest of the program and for other processes.
const THREADS_RESERVED: usize = 64;

/// Returns how many threads run flows and jobs now.
///
/// ```
/// use switchboard_runtime::{Model, spawn, threads_alive};
///
/// let alive = Model::Threads.run(async { spawn(async { threads_alive() }).await })?;
/// assert!(alive.unwrap() >= 1);
/// # std::io::Result::Ok(())
/// ```
pub fn threads_alive() -> usize {
    THREADS_ALIVE.load(Ordering::Relaxed)
}

/// Returns how many threads can run flows at once, and the name of the limit that sets this number.
/// Computed at the first call, from files of `/proc` and `/sys`.
///
/// ```
/// let (threads, limit) = switchboard_runtime::thread_capacity();
/// assert!(threads > 0 && !limit.is_empty());
/// ```
pub fn thread_capacity() -> (usize, &'static str) {
    static CAPACITY: OnceLock<(usize, &'static str)> = OnceLock::new();
    *CAPACITY.get_or_init(|| lowest(mapping_limit().into_iter().chain(task_limits())))
}

/// Returns how many processes this process can fork, and the name of the limit that sets this number.
///
/// ```
/// let (processes, limit) = switchboard_runtime::process_capacity();
/// assert!(processes > 0 && !limit.is_empty());
/// ```
pub fn process_capacity() -> (usize, &'static str) {
    lowest(task_limits())
}

type Limit = (usize, &'static str);

fn lowest(limits: impl IntoIterator<Item = Limit>) -> Limit {
    let lowest = limits.into_iter().min_by_key(|(limit, _)| *limit);
    lowest.unwrap_or((usize::MAX, "no limit is known"))
}

fn read_number(path: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    text.trim().parse().ok()
}

fn mapping_limit() -> Option<Limit> {
    let most = read_number("/proc/sys/vm/max_map_count")?;
    let used = std::fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
    let threads = most.saturating_sub(used + MAPPINGS_RESERVED) / MAPPINGS_PER_THREAD;
    Some((
        threads.max(1),
        "vm.max_map_count, at four mappings a thread",
    ))
}

/// Returns the limits that count threads and processes alike.
fn task_limits() -> Vec<Limit> {
    let user = rustix::process::getrlimit(rustix::process::Resource::Nproc).current;
    let limits = [
        (
            "kernel.threads-max",
            read_number("/proc/sys/kernel/threads-max"),
        ),
        ("kernel.pid_max", read_number("/proc/sys/kernel/pid_max")),
        ("the control group's pids.max", control_group_limit()),
        (
            "RLIMIT_NPROC",
            user.and_then(|most| usize::try_from(most).ok()),
        ),
    ];
    let limits = limits.into_iter();
    limits
        .filter_map(|(name, most)| Some((most?.saturating_sub(THREADS_RESERVED).max(1), name)))
        .collect()
}

/// Returns how many more tasks the control group of this process can have.
fn control_group_limit() -> Option<usize> {
    let most = read_number("/sys/fs/cgroup/pids.max")?;
    let used = read_number("/sys/fs/cgroup/pids.current").unwrap_or(0);
    Some(most.saturating_sub(used))
}

/// Starts a thread that counts against [`thread_capacity`]. What `run` returns is dropped once the thread
/// no longer counts.
///
/// # Errors
/// `QuotaExceeded` if the capacity is used up; the system's otherwise.
pub(crate) fn start<T>(name: Name, run: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
    let (capacity, limit) = thread_capacity();
    let permit = Permit::new();
    if permit.number > capacity {
        return Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("{limit} allows no more than {capacity} threads"),
        ));
    }
    let file = name.file().rsplit('/').next().unwrap_or_default();
    std::thread::Builder::new()
        .name(format!("{file}:{}", name.line()))
        .spawn(move || {
            let permit = permit;
            let returned = run();
            drop(permit);
            drop(returned);
        })
        .map(drop)
}

/// The permit of one thread, from before its start to its end.
struct Permit {
    /// The number of permits in use, including this one.
    number: usize,
}

impl Permit {
    fn new() -> Permit {
        let number = THREADS_ALIVE.fetch_add(1, Ordering::Relaxed) + 1;
        Permit { number }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        THREADS_ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}
