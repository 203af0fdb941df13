//! How many clients of how many processes fit here.

use super::{BYTES, KegelSizes, files};
use crate::compare::rows::Row;
use crate::crowd::setup::{descriptor_limit, ports};
use crate::memory::Available;
use crate::unit;
use crate::ways::memory_of_one;

/// So many servers, each with a process of clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) servers: usize,
    /// The clients of each.
    pub(super) each: usize,
}

impl Plan {
    pub(super) fn clients(&self) -> usize {
        self.servers * self.each
    }

    /// Returns what fits, and says what makes it less than was asked.
    pub(super) fn of(sizes: &KegelSizes, row: Row, warnings: &mut Vec<String>) -> Plan {
        let memory = Available::room_for(0.5, memory_of_one(row.model));
        let disk = files::free_bytes().map_or(usize::MAX, |bytes| {
            (bytes / 4 / (BYTES * 2 * sizes.cold_s.max(1)) as u64) as usize
        });
        let files = std::fs::read_to_string("/proc/sys/fs/file-max").unwrap_or_default();
        let files: usize = files.trim().parse().unwrap_or(usize::MAX);
        let limits = [
            (memory, "half of the memory that is available holds no more"),
            (disk, "a quarter of the free disk holds no more files"),
            (
                files / 4,
                "the system has no more descriptors (fs.file-max)",
            ),
        ];
        let (most, why) = limits.into_iter().min().unwrap_or((sizes.clients, ""));
        let clients = sizes.clients.min(most).max(1);
        if clients < sizes.clients {
            warnings.push(format!(
                "{row} gets {} clients and not {}: {why}.",
                unit::count(clients),
                unit::count(sizes.clients)
            ));
        }
        // A server may open a file beside each of its sockets.
        let of_process = (descriptor_limit() / 5 * 2)
            .min(ports().saturating_sub(1_000))
            .clamp(1, sizes.of_process.max(1));
        let servers = clients.div_ceil(of_process);
        Plan {
            servers,
            each: clients / servers,
        }
    }
}
