//! Threads: how many this process can have, and the pool that runs jobs which block.

pub(crate) mod capacity;
pub(crate) mod offload;
