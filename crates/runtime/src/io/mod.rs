//! What can be asked of a descriptor: operations, and the descriptor that they are asked of.

pub(crate) mod future;
mod machine;
pub(crate) mod ops;
pub(crate) mod send_all;
pub(crate) mod source;
pub(crate) mod syscalls;
