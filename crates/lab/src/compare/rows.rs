//! The workloads, and the rows compared under each: models, drivers, and where they compute.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use switchboard_runtime::{Driver, Model};

/// A kind of work that the models are compared by.
///
/// ```
/// use switchboard_lab::Workload;
///
/// assert_eq!("cpu".parse(), Ok(Workload::Cpu));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Fetching pages from a slow site.
    Io,
    /// Computing big powers.
    Cpu,
    /// Serving small messages to many clients.
    Echo,
    /// Serving a small page to many clients that stay connected.
    Http,
}

impl Workload {
    /// Every workload.
    pub const ALL: [Workload; 4] = [Workload::Io, Workload::Cpu, Workload::Echo, Workload::Http];

    /// Returns the name, which [`FromStr`] parses.
    pub const fn name(self) -> &'static str {
        match self {
            Workload::Io => "io",
            Workload::Cpu => "cpu",
            Workload::Echo => "echo",
            Workload::Http => "http",
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
            .ok_or_else(|| format!("unknown workload `{name}`: use one of io, cpu, echo, http"))
    }
}

/// One way to do a workload: a model, the driver of its loop, and where it computes. [`rows`] has an
/// example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The model under which the jobs run.
    pub model: Model,
    /// The driver of the model's loop; unused by models without one.
    pub driver: Driver,
    /// Where the jobs compute.
    pub compute_in: ComputeIn,
}

/// Where the jobs of a row compute. [`rows`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComputeIn {
    /// In the threads of `run_blocking` under a loop; otherwise where the model runs the job.
    ModelDefault,
    /// On the loop, where it holds up all other tasks: a mistake that the comparison demonstrates.
    Loop,
    /// In a pool of processes.
    Processes,
}

impl ComputeIn {
    /// The end of the row's name.
    const fn suffix(self) -> &'static str {
        match self {
            ComputeIn::ModelDefault => "",
            ComputeIn::Loop => " on the loop",
            ComputeIn::Processes => " + process pool",
        }
    }
}

impl Row {
    pub(super) const fn new(model: Model, driver: Driver) -> Row {
        Row {
            model,
            driver,
            compute_in: ComputeIn::ModelDefault,
        }
    }

    /// Says why the row is not measured: its driver cannot be opened here, and a server would go on with another one.
    pub(crate) fn left_out(&self) -> Option<String> {
        let opened = self.model.has_loop().then(|| self.driver.open());
        let error = opened?.err()?;
        let driver = self.driver;
        Some(format!(
            "{self} is left out: {driver} cannot be used here: {error}"
        ))
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

/// Returns the rows of a workload. The first is the one that the others are compared with.
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
    let mut rows: Vec<Row> = plain.map(|model| Row::new(model, best)).collect();
    match workload {
        Workload::Io => {
            rows.extend([Model::Tasks, Model::Green].map(|model| Row::new(model, best)))
        }
        Workload::Cpu => {
            let places = [
                ComputeIn::ModelDefault,
                ComputeIn::Processes,
                ComputeIn::Loop,
            ];
            let row = Row::new(Model::Tasks, best);
            rows.extend(places.map(|compute_in| Row { compute_in, ..row }));
        }
        Workload::Echo | Workload::Http => {
            let drivers = Driver::ALL
                .into_iter()
                .filter(|driver| *driver != Driver::Sim);
            rows.extend(drivers.map(|driver| Row::new(Model::Tasks, driver)));
            rows.push(Row::new(Model::Green, best));
            // Callbacks have no server of pages here.
            if workload == Workload::Echo {
                rows.push(Row::new(Model::Callbacks, best));
            }
        }
    }
    rows
}

/// The error of parsing a name that no row has.
///
/// ```
/// let unknown = "fibers/epoll".parse::<switchboard_lab::Row>().unwrap_err();
/// assert!(unknown.to_string().contains("fibers"));
/// ```
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
