//! `kegel`: Dan Kegel's question, 4 KiB from the disk each second to each of 20,000 clients.

mod files;
mod plan;
mod run;
mod show;

use std::io;
use std::time::Duration;

use switchboard_runtime::{Driver, Model};

use self::files::Files;
use self::plan::Plan;
use self::run::{Totals, one};
use crate::compare::rows::Row;
use crate::experiment::{Experiment, Lab};
use crate::report::Section;
use crate::rounds::{Rounds, Trial};
use crate::ways::{by_turns, one_core, ways};

/// The experiment `kegel`. Without sizes it takes those of the lab's effort.
///
/// ```
/// use switchboard_lab::{Experiment, Kegel};
///
/// assert_eq!(Kegel(None).name(), "kegel");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Kegel(pub Option<KegelSizes>);

/// How much `kegel` does.
#[derive(Clone, Copy, Debug)]
pub struct KegelSizes {
    /// The clients, each of which asks for a file a second.
    pub clients: usize,
    /// The most clients of one server process, if the descriptors allow them.
    pub of_process: usize,
    /// Seconds in which no file is asked for twice, after the kernel was made to forget them all.
    pub cold_s: usize,
    /// Seconds in which the same files are asked for again.
    pub warm_s: usize,
    /// How often each way is run.
    pub rounds: Rounds,
}

const QUICK: KegelSizes = KegelSizes {
    clients: 2_000,
    of_process: 12_000,
    cold_s: 1,
    warm_s: 1,
    rounds: Rounds {
        least: 1,
        most: 1,
        budget: Duration::from_secs(10),
        narrow: 0.1,
    },
};

const USUAL: KegelSizes = KegelSizes {
    clients: 20_000,
    cold_s: 2,
    warm_s: 3,
    rounds: Rounds {
        least: 1,
        most: 2,
        budget: Duration::from_secs(25),
        narrow: 0.1,
    },
    ..QUICK
};

const THOROUGH: KegelSizes = KegelSizes {
    cold_s: 5,
    warm_s: 10,
    rounds: Rounds {
        least: 3,
        most: 6,
        budget: Duration::from_mins(5),
        narrow: 0.05,
    },
    ..USUAL
};

/// Bytes of a file.
const BYTES: usize = 4096;

/// What came of one way to serve.
struct Outcome {
    row: Row,
    plan: Plan,
    trial: Trial,
    last: Option<Totals>,
}

impl Experiment for Kegel {
    fn name(&self) -> &'static str {
        "kegel"
    }

    fn question(&self) -> &'static str {
        "Can 4 KiB from the disk go to each of 20,000 clients each second?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        Duration::from_secs(lab.by_effort(15, 75, 400))
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let sizes = self.0.unwrap_or(lab.by_effort(QUICK, USUAL, THOROUGH));
        let of_it = [Model::Threads, Model::Tasks, Model::Green];
        let models: Vec<Model> = lab
            .models
            .iter()
            .copied()
            .filter(|model| of_it.contains(model))
            .collect();
        let mut warnings = Vec::new();
        let drivers = [Driver::Epoll, Driver::Uring];
        let rows: Vec<(Row, Plan)> = ways(&models, &drivers, &mut warnings)
            .into_iter()
            .map(|row| (row, Plan::of(&sizes, row, &mut warnings)))
            .collect();
        let plans = || rows.iter().map(|(_, plan)| plan);
        let most = |of: fn(&Plan) -> usize| plans().map(of).max();
        // A plan of fewer servers may have more clients on each.
        let (Some(servers), Some(each)) = (most(|plan| plan.servers), most(|plan| plan.each))
        else {
            let text = "kegel is run under threads, tasks and green: ask for one of them";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        lab.begin("kegel: making files");
        let files = Files::create(servers, each * sizes.cold_s, BYTES)?;
        let turns = by_turns(
            lab,
            self,
            &sizes.rounds,
            &rows,
            |(row, _)| row.to_string(),
            |(row, plan)| {
                let found = one(lab, &sizes, *row, plan, &files)?;
                let figures = found.figures();
                Ok((found, figures))
            },
        );
        let outcomes: Vec<Outcome> = rows
            .into_iter()
            .zip(turns)
            .map(|((row, plan), (trial, last))| Outcome {
                row,
                plan,
                trial,
                last,
            })
            .collect();
        let mut section = show::section(&sizes, &outcomes);
        section.warnings.splice(0..0, warnings);
        section.warnings.extend(one_core());
        Ok(section)
    }
}
