//! Threads: the capacity of this process, and the pool that runs jobs which block.

pub(crate) mod capacity;
pub(crate) mod offload;
