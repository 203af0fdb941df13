//! Measures each model under the same workloads on this machine, and recommends one: which model wins?
//!
//! ```text
//!   compare (parent)                 a cell (child process)
//!     for each workload × row  ───►    cell::run: the workload under one model, measured
//!     report: table, JSON      ◄───    one Measured as JSON on stdout
//!     advise: from these measurements alone
//! ```
//!
//! [`Load`], the echo client that drives the servers, also serves benchmarks outside of this crate.

mod advise;
mod cell;
mod compare;
mod cpu;
mod load;
mod machine;
mod measured;
mod progress;
mod report;
mod rows;
mod rusage;
mod sampler;
mod table;
mod text;
mod usage;

pub use advise::advise;
pub use cell::{CellSpec, run as run_cell};
pub use compare::{Plan, compare};
pub use cpu::{digest, power};
pub use load::{Load, Outcome};
pub use machine::{Machine, cores, machine, pin};
pub use measured::{Echo, Measured, median};
pub use report::{Cell, Report, Spread};
pub use rows::{ComputeIn, Row, UnknownRow, Workload, rows};
pub use sampler::Sampler;
pub use usage::{Usage, tree, tree_cpu, tree_memory};
