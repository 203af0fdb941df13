//! Computing in other processes.
//!
//! A [`ProcessPool`] runs named [`Jobs`] in worker processes, which share no memory: a job that
//! crashes ends its own worker and nothing else. Arguments and results travel as JSON over Unix
//! sockets, so that a flow waits for a result in the way of its model.
//!
//! ```standalone_crate
//! use switchboard_runtime::Model;
//! use switchboard_process_pool::{Jobs, PoolError, ProcessPool};
//!
//! // The pool comes first: it forks, which a process of several threads may not.
//! let jobs = Jobs::new().add("power", |(base, exponent): (u64, u32)| {
//!     base.checked_pow(exponent).ok_or("too large")
//! });
//! let pool = ProcessPool::start(2, jobs)?;
//!
//! for model in [Model::Threads, Model::Tasks, Model::Green] {
//!     let (fits, overflows) = model.run(async {
//!         let fits = pool.run::<u64, _>("power", &(2u64, 10u32)).await;
//!         (fits, pool.run::<u64, _>("power", &(2u64, 100u32)).await)
//!     })?;
//!     assert_eq!(fits?, 1024);
//!     assert!(matches!(overflows, Err(PoolError::Failed(text)) if text == "too large"));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//!   pool ── a socket for a new worker, the worker it replaces ──► fork server
//!    │                                                                │ forks, kills, reaps
//!    └── requests, answers: one socket each ──► worker … worker ◄─────┘
//! ```
//!
//! The fork server is a process of one thread, forked while the pool's process has one: it can fork
//! workers for as long as the pool lives. Each worker's end of its socket is made by the pool and
//! sent to the fork server, so that no worker holds an end of another worker's socket.
#![forbid(unsafe_code)]

mod error;
mod fork_server;
mod forked;
mod jobs;
mod messages;
mod pool;
mod workers;

pub use error::PoolError;
pub use jobs::Jobs;
pub use pool::ProcessPool;
pub use switchboard_process::ExitStatus;
pub use workers::PoolStats;
