//! Child processes: forking, reaping and supervising them, and frames between processes.
//!
//! | want | look at |
//! |---|---|
//! | one child | [`fork`], [`Child`] |
//! | many children | [`Children`] |
//! | many children that return a value each | [`Calls`] |
//! | children that are replaced when they end | [`Supervisor`] |
//! | messages over a pipe or socket | [`frame`] |
//!
//! Nothing here knows of an event loop: what waits says so, and what does not never blocks.
//!
//! ```standalone_crate
//! use switchboard_process::{ExitStatus, fork};
//!
//! let child = fork(|| 3)?;
//! assert_eq!(child.wait()?, ExitStatus::Exited(3));
//! # std::io::Result::Ok(())
//! ```

mod calls;
mod children;
mod fork;
pub mod frame;
mod supervise;

pub use calls::{Calls, Finished};
pub use children::{Children, Reaped};
pub use fork::{
    Child, ExitStatus, PANICKED, check_single_thread, default_signals, fork, fork_with_setup,
    ignore_signals, kill_with_parent, terminate_with_parent,
};
pub use supervise::Supervisor;
