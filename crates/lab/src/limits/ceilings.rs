//! The limits that the system sets, and how much of each a process has used: seen from outside, so that they can be
//! read of a process that has reached one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::machine::group_folders;
use crate::unit;

/// A limit and its use.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ceiling {
    /// The name by which it is looked up and changed: `vm.max_map_count`, `RLIMIT_NOFILE`.
    pub(crate) name: String,
    pub(crate) most: u64,
    pub(crate) used: u64,
    /// Whether both are bytes.
    pub(crate) in_bytes: bool,
}

impl Ceiling {
    fn new(name: &str, most: Option<u64>, used: Option<u64>) -> Option<Ceiling> {
        let name = name.to_owned();
        let (most, used) = (most?, used?);
        let in_bytes = false;
        Some(Ceiling {
            name,
            most,
            used,
            in_bytes,
        })
    }

    fn bytes(name: &str, most: Option<u64>, used: Option<u64>) -> Option<Ceiling> {
        let ceiling = Ceiling::new(name, most, used)?;
        Some(Ceiling {
            in_bytes: true,
            ..ceiling
        })
    }

    /// Returns the limit with its value: `vm.max_map_count = 65,530`.
    pub(crate) fn text(&self) -> String {
        let most = match self.in_bytes {
            true => unit::bytes(self.most as f64),
            false => unit::number(self.most as f64),
        };
        format!("{} = {most}", self.name)
    }

    /// Whether all of the machine's processes use it up together.
    fn is_of_the_machine(&self) -> bool {
        self.name.starts_with("kernel.") || self.name.starts_with("fs.")
    }
}

/// Returns all limits that this process meets, with their present use.
pub(crate) fn of(pid: u32) -> Vec<Ceiling> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let (limits, status) = (read("limits"), read("status"));
    let limit = |name: &str| rlimit(&limits, name);
    let kib = |name: &str| crate::usage::bytes(&status, name);
    let entries = |file: &str| {
        let entries = fs::read_dir(format!("/proc/{pid}/{file}")).ok()?;
        u64::try_from(entries.count()).ok()
    };
    let maps = u64::try_from(read("maps").lines().count()).ok();
    let mut all = vec![
        Ceiling::new("vm.max_map_count", sysctl("vm/max_map_count"), maps),
        Ceiling::new("RLIMIT_NOFILE", limit("Max open files"), entries("fd")),
        Ceiling::new("fs.file-max", sysctl("fs/file-max"), sysctl("fs/file-nr")),
        Ceiling::bytes("RLIMIT_AS", limit("Max address space"), kib("VmSize:")),
        Ceiling::bytes("RLIMIT_DATA", limit("Max data size"), kib("VmData:")),
        Ceiling::new("kernel.threads-max", sysctl("kernel/threads-max"), tasks()),
        Ceiling::new("kernel.pid_max", sysctl("kernel/pid_max"), tasks()),
        committed(),
    ];
    if counts_tasks_of_user(&status) {
        let user = field(&status, "Uid:", 0).and_then(tasks_of);
        all.push(Ceiling::new("RLIMIT_NPROC", limit("Max processes"), user));
    }
    let mut all: Vec<Ceiling> = all.into_iter().flatten().collect();
    all.extend(pids_of_group(&read("cgroup")));
    all
}

/// Returns the number of a limit of `/proc/PID/limits`; `None` if it is unlimited.
fn rlimit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn field(status: &str, name: &str, at: usize) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(at)?.parse().ok()
}

fn sysctl(name: &str) -> Option<u64> {
    first_number(Path::new("/proc/sys").join(name))
}

fn first_number(path: PathBuf) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Returns how many threads and processes the system has: the fourth field of `/proc/loadavg`, `2/345`.
fn tasks() -> Option<u64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace()
        .nth(3)?
        .split_once('/')?
        .1
        .parse()
        .ok()
}

/// Returns whether `RLIMIT_NPROC` holds for a process: not for root, nor with CAP_SYS_ADMIN or CAP_SYS_RESOURCE.
fn counts_tasks_of_user(status: &str) -> bool {
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let exempt = capabilities.unwrap_or(0) & (1 << 21 | 1 << 24) != 0;
    !exempt && field(status, "Uid:", 0) != Some(0)
}

/// Returns how many threads and processes a user has.
fn tasks_of(user: u64) -> Option<u64> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let statuses =
        processes.filter_map(|process| fs::read_to_string(process.path().join("status")).ok());
    let of_user = statuses.filter(|status| field(status, "Uid:", 0) == Some(user));
    Some(
        of_user
            .filter_map(|status| field(&status, "Threads:", 0))
            .sum(),
    )
}

/// Returns the limit of promised memory, where the kernel keeps to one.
fn committed() -> Option<Ceiling> {
    if sysctl("vm/overcommit_memory") != Some(2) {
        return None;
    }
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name| crate::usage::bytes(&meminfo, name);
    let name = "CommitLimit (vm.overcommit_memory = 2)";
    Ceiling::bytes(name, kib("CommitLimit:"), kib("Committed_AS:"))
}

/// Returns `pids.max` of the process's control group and of each above it.
fn pids_of_group(cgroup: &str) -> Vec<Ceiling> {
    let folders = group_folders(cgroup, "pids");
    let ceilings = folders.into_iter().filter_map(|folder| {
        let name = format!("{}/pids.max", folder.display());
        let (most, used) = (folder.join("pids.max"), folder.join("pids.current"));
        Ceiling::new(&name, first_number(most), first_number(used))
    });
    ceilings.collect()
}

/// How many more there can be, by what each has taken of a limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nearest {
    pub(crate) ceiling: Ceiling,
    /// What each takes of it, on average.
    pub(crate) each: f64,
    /// How many more it allows.
    pub(crate) left: f64,
}

/// The share of a limit of the machine that is left to others, who could not start a program or open a file otherwise.
pub(crate) const LEFT_TO_OTHERS: f64 = 0.1;

impl Nearest {
    /// Returns how many more may be made: of a limit of the machine, a share is left to others.
    pub(crate) fn usable(&self) -> f64 {
        match self.ceiling.is_of_the_machine() {
            true => self.left - self.ceiling.most as f64 * LEFT_TO_OTHERS / self.each,
            false => self.left,
        }
    }
}

/// Returns the limit that will be reached first, if it goes on as from `before` to `now` with `count` made. `None`
/// while nothing grows.
pub(crate) fn nearest(before: &[Ceiling], now: &[Ceiling], count: u64) -> Option<Nearest> {
    let all = now.iter().filter_map(|ceiling| {
        let first = before.iter().find(|each| each.name == ceiling.name)?;
        let grown = ceiling.used.checked_sub(first.used)?;
        let each = grown as f64 / count as f64;
        // What others do on the machine meanwhile is no growth by these.
        let least = if ceiling.in_bytes { 64.0 } else { 0.25 };
        let left = ceiling.most.saturating_sub(ceiling.used) as f64 / each;
        (each >= least).then(|| Nearest {
            ceiling: ceiling.clone(),
            each,
            left,
        })
    });
    all.min_by(|a, b| a.left.total_cmp(&b.left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling(name: &str, most: u64, used: u64) -> Ceiling {
        Ceiling::new(name, Some(most), Some(used)).unwrap()
    }

    #[test]
    fn the_nearest_limit_is_that_which_ends_first() {
        let before = [ceiling("maps", 65_530, 130), ceiling("tasks", 30_000, 200)];
        let now = [
            ceiling("maps", 65_530, 4_130),
            ceiling("tasks", 30_000, 1_201),
        ];
        let found = nearest(&before, &now, 1_000).unwrap();
        assert_eq!((found.ceiling.name.as_str(), found.each), ("maps", 4.0));
        assert_eq!(found.left, 15_350.0);
        assert_eq!(nearest(&before, &before, 1_000), None);
        // A dozen tasks of others are none of these thousand.
        let others = [ceiling("tasks", 30_000, 212)];
        assert_eq!(nearest(&before, &others, 1_000), None);
    }

    #[test]
    fn unlimited_is_no_limit() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            20000   \
                      20000    files\nMax address space         unlimited    unlimited  bytes\n";
        assert_eq!(rlimit(limits, "Max open files"), Some(20_000));
        assert_eq!(rlimit(limits, "Max address space"), None);
    }

    #[test]
    fn root_and_capabilities_are_exempt_from_the_limit_of_processes() {
        let status =
            |user: &str, caps: &str| format!("Name: x\nUid:\t{user}\t0\t0\t0\nCapEff:\t{caps}\n");
        assert!(counts_tasks_of_user(&status("1000", "0000000000000000")));
        assert!(!counts_tasks_of_user(&status("0", "0000000000000000")));
        assert!(!counts_tasks_of_user(&status("1000", "0000000001000000")));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_limits_and_uses_some_of_each() {
        let mine = of(std::process::id());
        let used = |name| mine.iter().find(|each| each.name == name).unwrap().used;
        assert!(used("vm.max_map_count") > 10);
        assert!(used("RLIMIT_NOFILE") >= 3);
        assert!(used("kernel.pid_max") > 1);
    }
}
