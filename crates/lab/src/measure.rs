//! The machine, and what processes use of it, as `/proc` tells.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// What the numbers were measured on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Processors this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel's name and release.
    pub kernel: String,
}

/// Describes this machine; what it doesn't tell stays empty.
pub fn machine() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let name = rustix::system::uname();
    Machine {
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: u64::saturating_mul(kib, 1024),
        kernel: format!(
            "{} {}",
            name.sysname().to_string_lossy(),
            name.release().to_string_lossy()
        ),
    }
}

/// Keeps a process (`None`: this thread and those it starts) on one core.
///
/// # Errors
/// The system's, for a core that is not there.
pub fn pin(pid: Option<u32>, core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    Ok(sched_setaffinity(pid, &set)?)
}

/// A process and its descendants that are there now.
fn tree(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().parse::<u32>();
        if let Ok(pid) = pid
            && let Some(stat) = Stat::of(pid)
        {
            parents.push((pid, stat.parent));
        }
    }
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == tree[at]);
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        tree.extend(children);
        at += 1;
    }
    tree
}

/// User and system time of a process, its descendants and the children they waited for; exact to a
/// clock tick (10 ms).
pub fn tree_cpu(root: u32) -> (Duration, Duration) {
    let mut sum = (0, 0);
    for stat in tree(root).into_iter().filter_map(Stat::of) {
        sum.0 += stat.user;
        sum.1 += stat.system;
    }
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let time = |n: u64| Duration::from_secs_f64(n as f64 / ticks as f64);
    (time(sum.0), time(sum.1))
}

/// Bytes of memory that a process and its descendants hold now; pages that several share are
/// divided among them (PSS).
pub fn tree_memory(root: u32) -> u64 {
    let pss = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        kib_after(&text, "Pss:")
    };
    tree(root).into_iter().filter_map(pss).sum::<u64>() * 1024
}

fn kib_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
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

    #[test]
    fn a_stat_line_with_parentheses_in_the_name() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 0 0 0 11 12 13 14 20 0 1 0 5";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.user, stat.system), (7, 24, 26));
        assert!(Stat::parse("nothing").is_none());
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(tree_memory(std::process::id()) > 100_000);
    }
}
