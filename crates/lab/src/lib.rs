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

mod advising;
mod beside;
mod c10k;
mod children;
mod compare;
mod connect;
mod crowd;
mod experiment;
mod folklore;
mod kegel;
mod limits;
mod load;
mod machine;
mod memory;
mod own;
mod progress;
mod report;
mod rounds;
mod rusage;
mod sampler;
pub mod show;
mod slow;
mod study;
mod switch;
mod text;
mod unit;
mod usage;
mod watch;
mod ways;

pub use advising::{Advice, Cost, Costs, Demand, recommend};
pub use beside::BesidePlan;
pub use c10k::{C10k, C10kSizes};
pub use children::{Done, Server, Work, do_work};
pub use compare::cell::CellSpec;
pub use compare::cpu::{digest, power};
pub use compare::measured::{Answers, Measured, median};
pub use compare::mistakes::{Habit, HabitSpec};
pub use compare::rows::{ComputeIn, Row, UnknownRow, Workload, rows};
pub use experiment::{Effort, Experiment, Lab, Sizes, experiments};
pub use kegel::{Kegel, KegelSizes};
pub use load::{Load, Outcome, Talk, Way};
pub use machine::{Limits, Machine, cores, machine, pin};
pub use own::{OwnLoad, OwnPlan};
pub use report::{
    Axis, Better, Column, Figure, Interval, Line, Mark, Plot, PlotKind, Point, Report, Section,
    Series, Table, Unit, Value, Verdict, Verdicts,
};
pub use rounds::{Rounds, Trial};
pub use sampler::Sampler;
pub use slow::{Slow, SlowSizes};
pub use study::study;
pub use usage::{Usage, tree, tree_cpu, tree_memory};
