//! Child processes, whose pipes flows of every model read and write.
//!
//! ```
//! use switchboard_runtime::{Model, process::Command};
//!
//! for model in [Model::Blocking, Model::Tasks, Model::Green] {
//!     let output = model.run(async { Command::new("echo").arg("hello").output().await })??;
//!     assert!(output.status.success());
//!     assert_eq!(output.stdout, b"hello\n");
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! A child's end is waited for by a descriptor of the process (pidfd) on Linux, and by SIGCHLD elsewhere. No
//! thread is started, so a process of model `processes` may fork as before.

mod child;
mod command;
mod orphans;

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::Command;
