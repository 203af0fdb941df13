//! The report: what was measured on which machine, for people and for programs. Its JSON has a schema and a version,
//! [`Report::SCHEMA`] and [`Report::VERSION`]; a change that readers would notice changes the version.

mod figure;
mod read;
mod section;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

pub use figure::{Figure, Interval};
pub use section::{
    Axis, Better, Column, Line, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
    Verdict, Verdicts,
};

/// All that a run of the lab found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// [`Report::SCHEMA`].
    pub schema: String,
    /// [`Report::VERSION`].
    pub version: u32,
    /// The program and its version: `switchboard 0.1.0`.
    pub program: String,
    /// The command that made the report, as it was typed.
    pub command: String,
    /// With which effort, models and sizes it was measured, as words; empty if that is not known.
    pub how: String,
    /// When it began, by RFC 3339.
    pub started: String,
    /// Seconds that it took.
    pub took_s: f64,
    /// The machine.
    pub machine: Machine,
    /// What disturbed the measuring, one sentence each.
    pub disturbances: Vec<String>,
    /// What to run here, one sentence each; the last is the summary.
    pub advice: Vec<String>,
    /// What each experiment found.
    pub sections: Vec<Section>,
}

impl Report {
    /// The name of the JSON's schema.
    pub const SCHEMA: &'static str = "switchboard-lab";

    /// The version of the JSON's schema.
    pub const VERSION: u32 = 1;
}
