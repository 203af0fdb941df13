//! Workloads, and the rows that are compared under each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use switchboard_runtime::{Driver, Model};

/// What is worked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Fetching pages from a slow site.
    Io,
    /// Computing big powers.
    Cpu,
    /// Serving small messages to many clients.
    Echo,
}

impl Workload {
    /// Every workload.
    pub const ALL: [Workload; 3] = [Workload::Io, Workload::Cpu, Workload::Echo];

    /// The name that [`FromStr`] takes.
    pub const fn name(self) -> &'static str {
        match self {
            Workload::Io => "io",
            Workload::Cpu => "cpu",
            Workload::Echo => "echo",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Workload, String> {
        Workload::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
            .ok_or_else(|| format!("unknown workload `{name}`: use one of io, cpu, echo"))
    }
}

/// One way to do a workload: a model, for loops a driver, and where that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// How it waits.
    pub model: Model,
    /// What its loop waits with, if it has one.
    pub driver: Driver,
    /// Where it computes.
    pub compute_in: ComputeIn,
}

/// Where a row of a loop computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComputeIn {
    /// In the threads of `run_blocking`; without a loop, where the model waits.
    ModelDefault,
    /// On the loop: a mistake, which is there to be seen.
    Loop,
    /// In a pool of processes.
    Processes,
}

impl ComputeIn {
    /// What is added to a row's name.
    const fn suffix(self) -> &'static str {
        match self {
            ComputeIn::ModelDefault => "",
            ComputeIn::Loop => " on the loop",
            ComputeIn::Processes => " + process pool",
        }
    }
}

impl Row {
    const fn of(model: Model, driver: Driver) -> Row {
        Row {
            model,
            driver,
            compute_in: ComputeIn::ModelDefault,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = self.model.to_string();
        if self.model.has_loop() {
            name += &format!("/{}", self.driver);
        }
        name += self.compute_in.suffix();
        f.pad(&name)
    }
}

/// The rows of a workload; the first is what the others are compared with.
///
/// ```
/// use switchboard_lab::{ComputeIn, Workload, rows};
///
/// assert!(rows(Workload::Cpu).iter().any(|row| row.compute_in == ComputeIn::Loop));
/// assert_eq!(rows(Workload::Io)[0].to_string(), "blocking");
/// ```
pub fn rows(workload: Workload) -> Vec<Row> {
    let best = Driver::best();
    let plain = Model::ALL.into_iter().filter(|model| !model.has_loop());
    let mut rows: Vec<Row> = plain.map(|model| Row::of(model, best)).collect();
    match workload {
        Workload::Io => rows.extend([Model::Tasks, Model::Green].map(|model| Row::of(model, best))),
        Workload::Cpu => {
            let places = [
                ComputeIn::ModelDefault,
                ComputeIn::Processes,
                ComputeIn::Loop,
            ];
            let row = Row::of(Model::Tasks, best);
            rows.extend(places.map(|compute_in| Row { compute_in, ..row }));
        }
        Workload::Echo => {
            let drivers = Driver::ALL
                .into_iter()
                .filter(|driver| *driver != Driver::Sim);
            rows.extend(drivers.map(|driver| Row::of(Model::Tasks, driver)));
            rows.extend([Model::Green, Model::Callbacks].map(|model| Row::of(model, best)));
        }
    }
    rows
}

/// A name that is no row's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRow(String);

impl fmt::Display for UnknownRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnknownRow {}

impl FromStr for Row {
    type Err = UnknownRow;

    fn from_str(name: &str) -> Result<Row, UnknownRow> {
        let places = [ComputeIn::Loop, ComputeIn::Processes].into_iter();
        let mut found =
            places.filter_map(|place| Some((name.strip_suffix(place.suffix())?, place)));
        let (rest, place) = found.next().unwrap_or((name, ComputeIn::ModelDefault));
        let (model, driver) = rest
            .split_once('/')
            .unwrap_or((rest, Driver::best().name()));
        Ok(Row {
            model: model
                .parse()
                .map_err(|error| UnknownRow(format!("{error}")))?,
            driver: driver
                .parse()
                .map_err(|error| UnknownRow(format!("{error}")))?,
            compute_in: place,
        })
    }
}
