//! What a crowd needs of the machine, and what it must not take from it.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open descriptors of this process as far as the system lets it.
pub(super) fn raise_descriptor_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

/// Returns the descriptors that a process may have open.
pub(crate) fn descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Returns a loopback address that other crowds do not send from, so that each has all ports; the unspecified one
/// where only 127.0.0.1 is there.
pub(super) fn source_address() -> Ipv4Addr {
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::UNSPECIFIED;
    }
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high % 64 + 1, middle, low)
}

/// Returns the number of ports that connections may come from, for one source address.
pub(crate) fn ports() -> usize {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = text.split_whitespace().map(|end| end.parse().ok());
    let range = ends.next().flatten().zip(ends.next().flatten());
    range.map_or(16_384, |(low, high): (usize, usize)| {
        (high + 1).saturating_sub(low)
    })
}

/// A number of bytes in `/proc/meminfo`; `None` where the system does not report it.
pub(crate) fn meminfo(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Returns the bytes that the kernel has taken for sockets, stacks and page tables, of all processes.
pub(crate) fn kernel_memory() -> Option<u64> {
    let names = ["Slab:", "KernelStack:", "PageTables:"];
    names.into_iter().map(meminfo).sum()
}

/// Returns the bytes that a process has had read from a disk.
pub(super) fn read_from_disk(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("read_bytes: "))?;
    line.trim().parse().ok()
}
