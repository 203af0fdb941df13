//! Processor time and memory of processes, read from `/proc`.
//!
//! A model may run many processes, so the measurements cover a *tree*: a process and its descendants.
//! Where there is no `/proc`, [`tree_cpu`] and [`tree_memory`] return `None`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use crate::rusage;

/// The processor time and memory of a process and of the children it has reaped.
///
/// ```
/// use switchboard_lab::Usage;
///
/// let before = Usage::of_self();
/// let after = Usage::of_self();
/// assert!(after.user >= before.user);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in user space.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most bytes that this process, without children, had resident; 0 where the system does not
    /// report it.
    pub peak_rss: u64,
}

impl Usage {
    /// Returns the usage of this process. The sum of its times is exact to a microsecond; how the kernel divides it is not.
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

/// Returns the user and system time of a process, its descendants, and the children they have reaped;
/// exact to a clock tick (10 ms). `None` if the process does not exist.
///
/// A process that ends during the call may be missing from the sum, until its parent has reaped it.
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

/// Returns the processor time of a process and its descendants that live, exact to a nanosecond; that of [`tree_cpu`]
/// where processes have no clocks. `None` if the process does not exist.
pub(crate) fn tree_clock(root: u32) -> Option<Duration> {
    match rusage::of_process(root) {
        Some(first) => {
            let others = tree(root).into_iter().skip(1);
            Some(first + others.filter_map(rusage::of_process).sum::<Duration>())
        }
        None => tree_cpu(root).map(|(user, system)| user + system),
    }
}

/// Returns the bytes of memory that a process and its descendants have resident. A page that several
/// processes share is divided among them (PSS), or counts for each (RSS) where the kernel does not
/// report PSS. `None` if the process does not exist.
pub fn tree_memory(root: u32) -> Option<u64> {
    let mut tree = tree(root).into_iter();
    let first = memory(tree.next()?)?;
    Some(first + tree.filter_map(memory).sum::<u64>())
}

/// Returns what [`tree_memory`] returns, of one process.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let pss = read("smaps_rollup").and_then(|text| bytes(&text, "Pss:"));
    pss.or_else(|| bytes(&read("status")?, "VmRSS:"))
}

/// Returns a process and its present descendants, parents before their children; the process alone where
/// there is no `/proc`, or if it does not exist.
///
/// ```
/// assert!(switchboard_lab::tree(std::process::id()).contains(&std::process::id()));
/// ```
pub fn tree(root: u32) -> Vec<u32> {
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        match children(tree[at]) {
            Some(children) => tree.extend(children),
            None => return tree_by_parents(root),
        }
        at += 1;
    }
    tree
}

/// Returns the children of a process from the kernel's list, which each thread has of the children it
/// forked. `None` if the kernel was built without these lists.
fn children(pid: u32) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    // The process has ended, and so has no children.
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
            // The thread has ended.
            Err(_) => {}
        }
    }
    Some(found)
}

/// Returns what [`tree`] returns, from the parent of every process of the machine.
fn tree_by_parents(root: u32) -> Vec<u32> {
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

/// Returns the bytes of the line `name: 12 kB`.
pub(crate) fn bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

struct Stat {
    parent: u32,
    /// Clock ticks, those of reaped children included.
    user: u64,
    system: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Parses a line of `/proc/PID/stat`. The name in parentheses may contain parentheses.
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
    use std::time::Instant;

    use super::*;
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    #[test]
    fn a_name_in_a_stat_line_may_contain_parentheses() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 0 0 0 11 12 13 14 20 0 1 0 5";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.user, stat.system), (7, 24, 26));
        for wrong in ["", "nothing", "42 (a", "42 (a) S 7 42", "1 (a) S x 1 1"] {
            assert!(Stat::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_in_kib() {
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
    fn both_ways_find_the_same_tree() {
        // The shell runs `cat` as a child, since another command follows. The byte shows that it runs.
        let mut child = shell("cat; true");
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let walked = tree(child.id());
        assert_eq!(walked.len(), 2);
        assert_eq!(walked, tree_by_parents(child.id()));
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
    fn clocks_are_finer_than_ticks_and_agree_with_them() {
        // The parent waits until its stdin ends.
        let mut parent = shell("while :; do :; done & read _; kill $!; wait");
        let start = Instant::now();
        let child = loop {
            if let [_, child] = tree(parent.id())[..] {
                break child;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no child");
        };
        while tree_clock(child).unwrap() < Duration::from_millis(30) {}
        let (user, system) = tree_cpu(child).unwrap();
        let clock = tree_clock(child).unwrap();
        assert!(
            clock + Duration::from_millis(20) >= user + system,
            "{clock:?}"
        );
        // The child is part of its parent's tree.
        assert!(tree_clock(parent.id()).unwrap() >= clock);
        drop(parent.stdin.take());
        parent.wait().unwrap();
        assert_eq!(tree_clock(parent.id()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_time_of_a_reaped_child_still_counts() {
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
}
