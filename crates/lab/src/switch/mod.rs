//! `switch`: what a wait costs under each model: the switch itself, the start of a flow, a wake-up across threads, a
//! hop through a channel, a timer.
//!
//! Each is done again and again in a process of its own ([`work`]), pinned to one core or with its two sides on two.

mod section;
mod threads;
pub(crate) mod work;

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::work::Act;
use crate::children::Work;
use crate::experiment::{Experiment, Lab};
use crate::machine::cores;
use crate::report::Section;
use crate::rounds::Rounds;

/// The experiment.
#[derive(Debug)]
pub(crate) struct Switch;

/// What a process does again and again, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SwitchSpec {
    pub(crate) act: Act,
    /// The core of each side; both are the same where one core does both.
    pub(crate) cores: [usize; 2],
    /// The least that a batch takes.
    pub(crate) batch: Duration,
    /// The number of batches, whose median is returned.
    pub(crate) batches: usize,
}

impl Experiment for Switch {
    fn name(&self) -> &'static str {
        "switch"
    }

    fn question(&self) -> &'static str {
        "what a wait costs: the switch of a thread, process, green thread, task or callback, its start, its wake-up"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        per_cell(lab) * (section::acts().len() * rounds(lab).least) as u32
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let cores = cores();
        let trials = rounds(lab).run(
            &section::acts(),
            |act| lab.begin(&format!("switch {}", act.name())),
            |act| {
                let sample = measure(lab, *act, &cores);
                lab.end(per_cell(lab));
                Ok(vec![sample?])
            },
        );
        Ok(section::of(lab, &trials, &cores))
    }
}

fn rounds(lab: &Lab) -> Rounds {
    Rounds {
        least: lab.by_effort(3, 6, 9),
        most: lab.by_effort(3, 9, 25),
        budget: Duration::from_secs(lab.by_effort(3, 15, 90)),
        narrow: 0.03,
    }
}

fn batch(lab: &Lab) -> Duration {
    // Shorter than the time for which the system lets another program have the core.
    Duration::from_micros(lab.by_effort(100, 200, 200))
}

fn batches(lab: &Lab) -> usize {
    lab.by_effort(21, 51, 151)
}

fn per_cell(lab: &Lab) -> Duration {
    // The start of the process, the warm-up, and the batches.
    Duration::from_millis(20) + batch(lab) * (batches(lab) as u32 + 3)
}

/// Returns the seconds of one act.
fn measure(lab: &Lab, act: Act, cores: &[usize]) -> io::Result<f64> {
    let both = match (act.needs_two_cores(), cores) {
        (true, [first, second, ..]) => [*first, *second],
        (true, _) => {
            return Err(io::Error::other(
                "it needs two cores, and this process may use one",
            ));
        }
        (false, [first, ..]) => [*first; 2],
        (false, []) => unreachable!("there is a core"),
    };
    let spec = SwitchSpec {
        act,
        cores: both,
        batch: batch(lab),
        batches: batches(lab),
    };
    let done = lab.work(&Work::Switch(spec), None)?;
    Ok(serde_json::from_value(done.found)?)
}
