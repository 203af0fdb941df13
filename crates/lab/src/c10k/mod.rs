//! `c10k`: ten thousand clients most of whom are silent, and what the others feel of them.

mod show;
pub(crate) mod steps;

use std::io;
use std::time::Duration;

use switchboard_runtime::{Driver, Model};

use self::steps::{Found, Steps};
use crate::Work;
use crate::compare::rows::Row;
use crate::crowd::setup::{descriptor_limit, ports};
use crate::experiment::{Experiment, Lab};
use crate::memory::Available;
use crate::report::{Figure, Section};
use crate::rounds::{Rounds, Trial};
use crate::unit;
use crate::ways::{by_turns, load_core, memory_of_one, one_core, serve, ways};

/// The experiment `c10k`. Without sizes it takes those of the lab's effort.
///
/// ```
/// use switchboard_lab::{C10k, Experiment};
///
/// assert_eq!(C10k(None).name(), "c10k");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct C10k(pub Option<C10kSizes>);

/// How much `c10k` does.
#[derive(Clone, Copy, Debug)]
pub struct C10kSizes {
    /// The numbers of idle clients of the curve, the least first. The last is that of all rows.
    pub idle: &'static [usize],
    /// The active clients.
    pub active: usize,
    /// The most idle clients that get a process each.
    pub processes: usize,
    /// How long the active ones are measured at each number of idle ones.
    pub duration: Duration,
    /// How long nothing may move before clients that wait are given up.
    pub patience: Duration,
    /// How often each way is run.
    pub rounds: Rounds,
}

const MESSAGE: usize = 64;

const QUICK: C10kSizes = C10kSizes {
    idle: &[100, 1_000, 3_000],
    active: 50,
    processes: 200,
    duration: Duration::from_millis(200),
    patience: Duration::from_millis(300),
    rounds: Rounds {
        least: 1,
        most: 1,
        budget: Duration::from_secs(10),
        narrow: 0.1,
    },
};

const USUAL: C10kSizes = C10kSizes {
    idle: &[100, 300, 1_000, 3_000, 10_000],
    processes: 1_000,
    duration: Duration::from_millis(400),
    patience: Duration::from_millis(700),
    rounds: Rounds {
        least: 1,
        most: 3,
        budget: Duration::from_secs(35),
        narrow: 0.1,
    },
    ..QUICK
};

const THOROUGH: C10kSizes = C10kSizes {
    duration: Duration::from_secs(1),
    patience: Duration::from_secs(1),
    rounds: Rounds {
        least: 5,
        most: 9,
        budget: Duration::from_mins(5),
        narrow: 0.05,
    },
    ..USUAL
};

/// What came of one way to serve.
struct Outcome {
    row: Row,
    /// The clients that are asked to come in.
    asked: usize,
    trial: Trial,
    /// The last run.
    found: Option<Found>,
}

impl Experiment for C10k {
    fn name(&self) -> &'static str {
        "c10k"
    }

    fn question(&self) -> &'static str {
        "What do ten thousand clients cost, most of whom are silent, and where does each way end?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        Duration::from_secs(lab.by_effort(15, 75, 360))
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let sizes = self.0.unwrap_or(lab.by_effort(QUICK, USUAL, THOROUGH));
        let mut warnings = Vec::new();
        let drivers = [Driver::Select, Driver::Poll, Driver::Epoll, Driver::Uring];
        let rows: Vec<(Row, Vec<usize>)> = ways(&lab.models, &drivers, &mut warnings)
            .into_iter()
            .map(|row| (row, plan(&sizes, row, &mut warnings)))
            .collect();
        let turns = by_turns(
            lab,
            self,
            &sizes.rounds,
            &rows,
            |(row, _)| row.to_string(),
            |(row, idle)| {
                let found = one(lab, &sizes, *row, idle)?;
                let figures = figures(&found, sizes.idle.len());
                Ok((found, figures))
            },
        );
        let outcomes: Vec<Outcome> = rows
            .into_iter()
            .zip(turns)
            .map(|((row, idle), (trial, found))| Outcome {
                row,
                asked: idle.last().copied().unwrap_or(0),
                trial,
                found,
            })
            .collect();
        let mut section = show::section(&sizes, &outcomes);
        section.warnings.splice(0..0, warnings);
        section.warnings.extend(one_core());
        Ok(section)
    }
}

/// Returns the numbers of idle clients that a way is asked to hold, and says what makes them fewer.
fn plan(sizes: &C10kSizes, row: Row, warnings: &mut Vec<String>) -> Vec<usize> {
    let wanted = sizes.idle.last().copied().unwrap_or(0);
    let others = sizes.active + 64;
    let descriptors = descriptor_limit().saturating_sub(others);
    let ports = ports().saturating_sub(others);
    let memory = Available::room_for(0.5, memory_of_one(row.model));
    let processes = match row.model {
        Model::Processes => sizes.processes,
        _ => usize::MAX,
    };
    let limits = [
        (
            descriptors,
            "a process has so many descriptors (RLIMIT_NOFILE)",
        ),
        (
            ports,
            "an address has so many ports (net.ipv4.ip_local_port_range)",
        ),
        (memory, "half of the memory that is available holds no more"),
        (
            processes,
            "each takes a process, and more of them are not safe for the machine",
        ),
    ];
    let (most, why) = limits.into_iter().min().unwrap_or((wanted, ""));
    if most < wanted {
        warnings.push(format!(
            "{row} is asked to hold {} idle clients and not {}: {why}.",
            unit::count(most),
            unit::count(wanted)
        ));
    }
    let wanted = wanted.min(most);
    match row.model {
        Model::Tasks => sizes.idle.iter().map(|&idle| idle.min(wanted)).collect(),
        _ => vec![wanted],
    }
}

fn one(lab: &Lab, sizes: &C10kSizes, row: Row, idle: &[usize]) -> io::Result<Found> {
    let server = serve(lab, row, &["echo"])?;
    let steps = Steps {
        addr: server.addr(),
        server: server.pid(),
        active: sizes.active,
        message: MESSAGE,
        idle: idle.to_vec(),
        duration: sizes.duration,
        patience: sizes.patience,
    };
    let done = lab.work(&Work::C10k(steps), load_core())?;
    Ok(serde_json::from_value(done.found)?)
}

/// The figures of a run, in this order, those of the curve behind them. What was not measured is no number.
const CPU: usize = 0;
const P50: usize = 1;
const P99: usize = 2;
const RATE: usize = 3;
const USER: usize = 4;
const KERNEL: usize = 5;
const HELD: usize = 6;
const SURVIVED: usize = 7;
const SERVED: usize = 8;
const CURVE: usize = 9;

fn figures(found: &Found, steps: usize) -> Vec<f64> {
    let Some(last) = found.steps.last() else {
        return vec![f64::NAN; CURVE + steps];
    };
    let counts = &last.active;
    let answered = |value| if counts.answered > 0 { value } else { f64::NAN };
    // Memory of a few is too little to be told from all else that a process does.
    let each = |bytes: f64, of: usize| match of {
        50.. => bytes / of as f64,
        _ => f64::NAN,
    };
    // Those that wait have a socket all the same.
    let sockets = last.asked.saturating_sub(last.failed);
    let mut figures = vec![
        last.cpu_per_round_trip(),
        answered(counts.p50_s),
        answered(counts.p99_s),
        counts.answered as f64 / last.elapsed_s,
        each(found.user_bytes, last.held),
        found
            .kernel_bytes
            .map_or(f64::NAN, |bytes| each(bytes, sockets)),
        last.held as f64,
        found.survived as f64,
        counts.served as f64,
    ];
    // The first step at which not all are held belongs to the curve, and those behind it say no more.
    let whole = found
        .steps
        .iter()
        .take_while(|step| step.held == step.asked);
    let curve = found.steps.iter().take(whole.count() + 1);
    figures.extend(curve.map(steps::Step::cpu_per_round_trip));
    figures.resize(CURVE + steps, f64::NAN);
    figures
}

impl steps::Step {
    /// Returns the server's seconds of processor time for each round trip of an active client.
    fn cpu_per_round_trip(&self) -> f64 {
        match self.cpu_s > 0.0 && self.active.answered > 0 {
            true => self.cpu_s / self.active.answered as f64,
            false => f64::NAN,
        }
    }
}

impl Outcome {
    fn figure(&self, at: usize) -> Option<&Figure> {
        self.trial.figures.get(at)?.as_ref()
    }

    fn median(&self, at: usize) -> Option<f64> {
        self.figure(at).map(Figure::median)
    }
}
