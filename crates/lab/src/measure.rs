//! What processes use: processor time and memory, as `/proc` tells.
//!
//! A model may be many processes, so what is measured is a *tree*: a process and its descendants.
//! Without `/proc` a tree tells nothing: [`tree_cpu`] and [`tree_memory`] are `None`.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::rusage;

/// What a process and the children it waited for have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in user space.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory that this process, without children, had resident, in bytes; 0 where the
    /// system doesn't tell.
    pub peak_rss: u64,
}

impl Usage {
    /// Of this process. Exact to a microsecond, where [`tree_cpu`] counts clock ticks.
    pub fn of_self() -> Usage {
        let (user, system) = rusage::cpu();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Usage {
            user,
            system,
            peak_rss: bytes(&status, "VmHWM:").unwrap_or(0),
        }
    }
}

/// User and system time of a process, its descendants and the children they waited for; exact to a
/// clock tick (10 ms). None if the process is not there.
///
/// The tree is read while it lives: a process that ends meanwhile may be missed until its parent's
/// count has it.
pub fn tree_cpu(root: u32) -> Option<(Duration, Duration)> {
    let mut sum = (0, 0);
    let first = Stat::of(root)?;
    let others = tree(root).into_iter().skip(1).filter_map(Stat::of);
    for stat in std::iter::once(first).chain(others) {
        sum.0 += stat.user;
        sum.1 += stat.system;
    }
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let time = |n: u64| Duration::from_secs_f64(n as f64 / ticks as f64);
    Some((time(sum.0), time(sum.1)))
}

/// Bytes of memory that a process and its descendants hold now; pages that several share are
/// divided among them (PSS). Where the kernel has no PSS or keeps it to itself, a shared page counts
/// for each (RSS). None if the process is not there.
pub fn tree_memory(root: u32) -> Option<u64> {
    let mut tree = tree(root).into_iter();
    let first = memory(tree.next()?)?;
    Some(first + tree.filter_map(memory).sum::<u64>())
}

fn memory(pid: u32) -> Option<u64> {
    let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let pss = read("smaps_rollup").and_then(|text| bytes(&text, "Pss:"));
    pss.or_else(|| bytes(&read("status")?, "VmRSS:"))
}

/// Watches from a thread of its own how much memory a tree holds, and keeps the most.
///
/// A look is one `smaps_rollup` per process, a quarter of a millisecond of the watcher's time each;
/// the kernel's own high-water mark would be free, but it counts shared pages anew in each process
/// and can't be added up. What comes and goes between two looks is not seen.
#[derive(Debug)]
pub struct Sampler {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Option<u64>>,
}

impl Sampler {
    /// Begins to watch the tree under `root`.
    ///
    /// # Errors
    /// The system's, if it has no thread left.
    pub fn start(root: u32) -> std::io::Result<Sampler> {
        let ended = Arc::new(AtomicBool::new(false));
        let watch = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("sampler".into())
            .spawn(move || sample(root, &watch))?;
        Ok(Sampler { ended, thread })
    }

    /// Ends it: the most bytes it saw, none if it never saw the process.
    pub fn stop(self) -> Option<u64> {
        self.ended.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().ok().flatten()
    }
}

fn sample(root: u32, ended: &AtomicBool) -> Option<u64> {
    const EVERY: Duration = Duration::from_millis(50);
    let mut peak = None;
    loop {
        let start = Instant::now();
        peak = peak.max(tree_memory(root));
        // Big trees are looked at less often, so that watching takes no more than a twentieth of a
        // core.
        let next = start + EVERY.max(start.elapsed() * 20);
        loop {
            if ended.load(Ordering::Acquire) {
                return peak;
            }
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // It may wake for nothing.
            std::thread::park_timeout(left);
        }
    }
}

/// A process and its descendants that are there now, parents before their children.
fn tree(root: u32) -> Vec<u32> {
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        match children(tree[at]) {
            Some(children) => tree.extend(children),
            None => return scan(root),
        }
        at += 1;
    }
    tree
}

/// The kernel's own list: each thread has the children that it forked. None where the kernel was
/// built without.
fn children(pid: u32) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    // A process that has ended has no children any more.
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Some(found);
    };
    for thread in threads.flatten() {
        let path = thread.path();
        match fs::read_to_string(path.join("children")) {
            Ok(text) => found.extend(
                text.split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            ),
            Err(_) if path.join("stat").exists() => return None,
            // The thread ended since.
            Err(_) => {}
        }
    }
    Some(found)
}

/// The same, by asking every process of the machine for its parent.
fn scan(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Ok(pid) = entry.file_name().to_string_lossy().parse()
            && let Some(stat) = Stat::of(pid)
        {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        tree.extend(children.remove(&tree[at]).unwrap_or_default());
        at += 1;
    }
    tree
}

/// Of a `name: 12 kB` line.
fn bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

struct Stat {
    parent: u32,
    /// Ticks, with those of children that were waited for.
    user: u64,
    system: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, in parentheses, may hold anything, more parentheses too.
    fn parse(text: &str) -> Option<Stat> {
        let after = text.rsplit_once(')')?.1;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            parent: fields.get(1)?.parse().ok()?,
            user: number(11)? + number(13)?,
            system: number(12)? + number(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    #[test]
    fn a_stat_line_with_parentheses_in_the_name() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 0 0 0 11 12 13 14 20 0 1 0 5";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.user, stat.system), (7, 24, 26));
        for wrong in ["", "nothing", "42 (a", "42 (a) S 7 42", "1 (a) S x 1 1"] {
            assert!(Stat::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_in_kib() {
        let text = "Rss:  9 kB\nPss:             1234 kB\nPss_Dirty: 5 kB\n";
        assert_eq!(bytes(text, "Pss:"), Some(1234 * 1024));
        assert_eq!(bytes(text, "Swap:"), None);
        assert_eq!(bytes("Pss: much kB", "Pss:"), None);
    }

    fn shell(script: &str) -> Child {
        Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn both_ways_see_the_same_tree() {
        // A shell and, as it has more to do, a cat beneath it; the echo tells that it is there.
        let mut child = shell("cat; true");
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let walked = tree(child.id());
        assert_eq!(walked.len(), 2);
        assert_eq!(walked, scan(child.id()));
        let mine = tree(std::process::id());
        assert!(walked.iter().all(|pid| mine.contains(pid)), "{mine:?}");
        assert!(tree_memory(child.id()).unwrap() > memory(walked[0]).unwrap());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(tree_cpu(child.id()), None);
        assert_eq!(tree_memory(child.id()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_time_of_a_child_stays_when_it_is_gone() {
        let me = std::process::id();
        let total = |pid| {
            let (user, system) = tree_cpu(pid).unwrap();
            user + system
        };
        let before = total(me);
        let mut child = shell("while :; do :; done");
        while total(child.id()) < Duration::from_millis(30) {}
        let used = total(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(total(me) >= before + used);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_sampler_sees_who_is_there() {
        let sampler = Sampler::start(std::process::id()).unwrap();
        let mut child = shell("true");
        child.wait().unwrap();
        let gone = Sampler::start(child.id()).unwrap();
        assert_eq!(gone.stop(), None);
        assert!(sampler.stop().unwrap() > 100_000);
        assert!(Usage::of_self().peak_rss > 100_000);
    }
}
