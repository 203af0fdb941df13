//! Descriptors that flows of any model use, and the operations on them.

pub(crate) mod calls;
pub(crate) mod files;
pub(crate) mod future;
mod machine;
pub(crate) mod ops;
pub(crate) mod post;
pub(crate) mod send_all;
pub(crate) mod source;
pub(crate) mod syscalls;
