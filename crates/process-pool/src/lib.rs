//! Who computes?
//!
//! A [`ProcessPool`] runs named [`Jobs`] in worker processes, which share no memory: a job that crashes
//! takes its worker with it and nothing else. Arguments and results travel as JSON over Unix sockets,
//! so that whoever waits for a result waits as its model does.
//!
//! ```standalone_crate
//! use switchboard_runtime::Model;
//! use switchboard_process_pool::{Jobs, PoolError, ProcessPool};
//!
//! // First of all: it forks, which a process of several threads may not.
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
//!   pool ──── a new worker's socket, whom it replaces ────► nursery
//!    │                                                         │ forks, ends, waits
//!    └─ jobs, results: a socket each ─► worker … worker ◄──────┘
//! ```
//!
//! The nursery is a process of one thread, forked while the pool's process has one: it can fork for as
//! long as the pool lives. Each socket's other end is handed to it, so that no worker ever holds an end
//! by which another is heard.
#![forbid(unsafe_code)]

mod error;
mod frame;
mod jobs;
mod lease;
mod nursery;
mod pool;

pub use error::PoolError;
pub use jobs::Jobs;
pub use pool::{PoolStats, ProcessPool};
