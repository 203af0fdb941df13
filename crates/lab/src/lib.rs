//! Measures how programs wait on this machine, and recommends a way: which model wins?
//!
//! ```text
//!   an experiment (parent)           its work (child processes)
//!     rounds: every cell by turns ──►  `switchboard cell WORK`: one cell, measured
//!     Section: tables, plots,     ◄──  what it found, as JSON on stdout
//!       findings                  ──►  `switchboard serve …`: the servers that are measured
//!   Report: machine, sections, advice ─► text, JSON, CSV, HTML
//! ```
//!
//! An [`Experiment`] answers one question and returns a [`Section`], which holds every sample; what shows a
//! [`Report`] knows no experiment. [`Load`], the echo client that drives the servers, also serves benchmarks outside
//! of this crate.

mod children;
mod compare;
mod experiment;
mod load;
mod machine;
mod progress;
mod report;
mod rounds;
mod rusage;
mod sampler;
mod text;
mod usage;

pub use children::{Done, Server, Work, do_work, run_in_child};
pub use compare::advise::advise;
pub use compare::cell::{CellSpec, run as run_cell};
pub use compare::comparison::{Cell, Comparison, Spread};
pub use compare::cpu::{digest, power};
pub use compare::measured::{Echo, Measured, median};
pub use compare::rows::{ComputeIn, Row, UnknownRow, Workload, rows};
pub use compare::{Plan, compare};
pub use experiment::{Effort, Experiment, Lab, experiments};
pub use load::{Load, Outcome, Talk, Way};
pub use machine::{Machine, cores, machine, pin};
pub use report::{
    Axis, Better, Column, Figure, Interval, Line, Mark, Plot, PlotKind, Point, Report, Section,
    Series, Table, Unit, Value, Verdict, Verdicts,
};
pub use rounds::{Rounds, Trial};
pub use sampler::Sampler;
pub use usage::{Usage, tree, tree_cpu, tree_memory};
