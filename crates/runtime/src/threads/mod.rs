//! Threads: the capacity of this process, and the pools that run jobs which block.

pub(crate) mod capacity;
pub(crate) mod offload;
