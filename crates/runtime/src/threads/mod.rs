//! Threads: how many this process may have, and the pool that runs what blocks.

pub(crate) mod capacity;
pub(crate) mod offload;
