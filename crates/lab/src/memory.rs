//! The memory of what is made, in user space and in the kernel apart, and the memory that is left.

use std::fs;

use crate::machine::group_folders;
use crate::usage::{bytes, memory, tree};

/// Bytes in use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// Of the process and its descendants, shared pages divided among those that share them (PSS).
    pub(crate) user: f64,
    /// Of the kernel, for the whole machine: stacks, page tables, slabs.
    pub(crate) kernel: f64,
}

/// Of how many children memory is read; that of the others is taken to be the same on average.
const READ_CHILDREN: usize = 128;

impl Memory {
    /// Reads the memory of a process; of its many children a sample, since one takes a quarter of a millisecond.
    pub(crate) fn of(pid: u32) -> Option<Memory> {
        let kernel = kernel()? as f64;
        // Threads have children lists of their own, and these threads have no children.
        let children = match fs::read_dir(format!("/proc/{pid}/task")).ok()?.nth(1) {
            Some(_) => Vec::new(),
            None => tree(pid).split_off(1),
        };
        let step = children.len().div_ceil(READ_CHILDREN).max(1);
        let sample: Vec<u64> = children
            .iter()
            .step_by(step)
            .filter_map(|&child| memory(child))
            .collect();
        let mean = sample.iter().sum::<u64>() as f64 / sample.len().max(1) as f64;
        Some(Memory {
            user: memory(pid)? as f64 + mean * children.len() as f64,
            kernel,
        })
    }

    /// Returns how much more there is than before, for each of `count`.
    pub(crate) fn each_since(self, before: Memory, count: u64) -> Memory {
        Memory {
            user: (self.user - before.user) / count as f64,
            kernel: (self.kernel - before.kernel) / count as f64,
        }
    }

    pub(crate) fn sum(self) -> f64 {
        self.user + self.kernel
    }
}

/// Returns the bytes that the kernel has taken for stacks, page tables and slabs, which hold its sockets, of all processes;
/// `None` where the system does not report it.
pub(crate) fn kernel() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let parts = ["KernelStack:", "PageTables:", "Slab:"];
    parts.into_iter().map(|name| bytes(&info, name)).sum()
}

/// The memory that can still be had, and all there is: of the machine, or of the control group if that is less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Available {
    pub(crate) bytes: f64,
    pub(crate) of: f64,
}

/// The least share of memory that is left to others.
pub(crate) const LEFT_TO_OTHERS: f64 = 0.2;

impl Available {
    pub(crate) fn now() -> Option<Available> {
        let info = fs::read_to_string("/proc/meminfo").ok()?;
        let machine = Available {
            bytes: bytes(&info, "MemAvailable:")? as f64,
            of: bytes(&info, "MemTotal:")? as f64,
        };
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let groups = group_folders(&groups, "memory");
        let groups = groups.iter().filter_map(|folder| {
            let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
            let number = |name: &str| read(name)?.trim().parse::<f64>().ok();
            let most = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
            let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
            // The kernel takes the cache of files back before it ends a process.
            let stat = read("memory.stat").unwrap_or_default();
            let cached: f64 = stat
                .lines()
                .filter_map(|line| line.split_once(' '))
                .filter(|(name, _)| matches!(*name, "inactive_file" | "active_file"))
                .filter_map(|(_, value)| value.parse::<f64>().ok())
                .sum();
            let bytes = (most - used + cached).max(0.0);
            // A group without a limit has a number that no machine has.
            (most < machine.of).then_some(Available { bytes, of: most })
        });
        groups
            .chain([machine])
            .min_by(|a, b| a.bytes.total_cmp(&b.bytes))
    }

    /// Returns how many things of this size fit into a share of it; no bound where the system does not report it.
    pub(crate) fn room_for(share: f64, each: u64) -> usize {
        Available::now().map_or(usize::MAX, |now| (now.bytes * share / each as f64) as usize)
    }

    /// Returns whether no more should be taken.
    pub(crate) fn is_short(self) -> bool {
        self.bytes < self.of * LEFT_TO_OTHERS
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_and_grows_with_what_is_kept() {
        let before = Memory::of(std::process::id()).unwrap();
        let kept = vec![1_u8; 64 << 20];
        let after = Memory::of(std::process::id()).unwrap();
        let each = after.each_since(before, 64);
        assert!(each.user > 0.5 * f64::from(1 << 20), "{each:?}");
        assert!(before.kernel > 1e6 && kept[9] == 1);
        let available = Available::now().unwrap();
        assert!(available.bytes > 0.0 && available.bytes <= available.of);
    }
}
