//! Which model wins?
//!
//! ```text
//!   compare (parent)                 a cell (child process)
//!     for each workload × row  ───►    cell::run: the work under one model, measured
//!     report: table, JSON      ◄───    one Measured as JSON on stdout
//!     advise: from those numbers alone
//! ```

mod advise;
mod cell;
mod compare;
mod cpu;
mod load;
mod machine;
mod measure;
mod progress;
mod report;
mod rows;
mod rusage;
mod table;
mod wave;

pub use advise::advise;
pub use cell::{CellSpec, run as run_cell};
pub use compare::{Plan, compare};
pub use cpu::{digest, power};
pub use load::{Load, Outcome};
pub use machine::{Machine, cores, machine, pin};
pub use measure::{Sampler, Usage, tree_cpu, tree_memory};
pub use report::{Cell, Echo, Measured, Report, Spread, median};
pub use rows::{ComputeIn, Row, UnknownRow, Workload, rows};
