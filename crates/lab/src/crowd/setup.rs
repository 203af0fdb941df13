//! What a crowd needs of the machine, and what it must not take from it.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open descriptors of this process as far as the system lets it.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

/// Returns the descriptors that a process may have open.
pub(crate) fn descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Where connections come from: a loopback address of this crowd's own, so that it has all ports, one after another.
/// To have the kernel choose the port costs 0.7 ms a connection once thousands are taken.
pub(super) struct Sources {
    address: Ipv4Addr,
    low: u16,
    count: u16,
}

/// The connections that this process has made, so that no port comes again before all others.
static NEXT: AtomicU16 = AtomicU16::new(0);

impl Sources {
    /// Returns the sources of this process; `None` where only 127.0.0.1 is there.
    pub(super) fn of_process() -> Option<Sources> {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let (first, count) = port_range()?;
        cfg!(target_os = "linux").then_some(Sources {
            address: Ipv4Addr::new(127, high % 64 + 1, middle, low),
            low: first,
            count,
        })
    }

    /// Binds a socket to the next port that is free.
    pub(super) fn bind(&self, socket: &TcpStream) -> io::Result<()> {
        rustix::net::sockopt::set_socket_reuseaddr(socket, true)?;
        let mut tries = 0;
        loop {
            let port = self.low + NEXT.fetch_add(1, Ordering::Relaxed) % self.count;
            match rustix::net::bind(socket, &SocketAddrV4::new(self.address, port)) {
                // A listener on all addresses has the port.
                Err(Errno::ADDRINUSE) if tries < 100 => tries += 1,
                bound => return Ok(bound?),
            }
        }
    }
}

/// Returns the number of ports that connections may come from, for one source address.
pub(crate) fn ports() -> usize {
    port_range().map_or(16_384, |(_, count)| count.into())
}

/// Returns the first of these ports and their number; `None` where the system does not report them.
fn port_range() -> Option<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = text.split_whitespace().map(|end| end.parse().ok());
    let (low, high): (u16, u16) = ends.next()?.zip(ends.next()?)?;
    let count = high.checked_sub(low)?;
    (count > 0).then_some((low, count))
}

/// Returns the bytes that a process has had read from a disk.
pub(super) fn read_from_disk(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("read_bytes: "))?;
    line.trim().parse().ok()
}
