//! Child processes of a server: one for each connection, or a fixed number of supervised workers.

mod connections;
mod supervise;

pub(crate) use connections::accept_and_fork;
pub(crate) use supervise::supervise;

/// The exit status of a child process whose handler or worker returned an error.
const FAILED: i32 = 1;
