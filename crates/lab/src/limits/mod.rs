//! `limits`: how many threads, processes, green threads, tasks, sockets and timers there can be here, what ends it, and
//! what each costs.
//!
//! Each kind is made in a process of its own ([`subject`]), which reaches limits and may be aborted by them. This
//! process tells it how many ([`watch`]), measures it at rest ([`crate::memory`]), and reads which limit is near
//! ([`ceilings`]).

mod ceilings;
mod kind;
mod section;
mod stop;
pub(crate) mod subject;
mod watch;

use std::io;
use std::time::{Duration, Instant};

use self::kind::Kind;
use self::watch::{Bounds, Run};
use crate::experiment::{Experiment, Lab};
use crate::memory::Available;
use crate::report::Section;

/// The experiment.
#[derive(Debug)]
pub(crate) struct Limits;

/// The most memory that one kind may take.
const BUDGET: f64 = 4.0 * (1_u64 << 30) as f64;

/// The runs of one kind, and why a further one failed.
#[derive(Debug)]
struct Counted {
    kind: Kind,
    most: u64,
    runs: Vec<Run>,
    error: Option<String>,
}

impl Experiment for Limits {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn question(&self) -> &'static str {
        "how many threads, processes, tasks, sockets and timers there can be here, and what each costs"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        per_run(lab) * (rounds(lab) * Kind::ALL.len()) as u32
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let start = Instant::now();
        let mut counted: Vec<Counted> = Kind::ALL
            .into_iter()
            .map(|kind| Counted {
                kind,
                most: kind.most(lab.effort),
                runs: Vec::new(),
                error: None,
            })
            .collect();
        for round in 0..rounds(lab) {
            if round > 0 && start.elapsed() > budget(lab) {
                break;
            }
            for each in counted.iter_mut().filter(|each| each.error.is_none()) {
                lab.begin(&format!("limits {}", each.kind.name()));
                match watch::run(&lab.program, each.kind, bounds(lab, each.kind)) {
                    Ok(run) => each.runs.push(run),
                    Err(error) => each.error = Some(error.to_string()),
                }
                lab.end(per_run(lab));
            }
        }
        if let Some(error) = counted.iter().find_map(|each| each.error.clone())
            && counted.iter().all(|each| each.runs.is_empty())
        {
            return Err(io::Error::other(error));
        }
        Ok(section::of(lab, &counted))
    }
}

fn rounds(lab: &Lab) -> usize {
    lab.by_effort(1, 3, 5)
}

/// No round begins later than this after the first.
fn budget(lab: &Lab) -> Duration {
    Duration::from_secs(lab.by_effort(3, 15, 120))
}

fn per_run(lab: &Lab) -> Duration {
    Duration::from_millis(lab.by_effort(500, 2_000, 12_000))
}

fn bounds(lab: &Lab, kind: Kind) -> Bounds {
    let bytes = Available::now().map_or(BUDGET, |available| available.bytes / 2.0);
    Bounds {
        most: kind.most(lab.effort),
        bytes: bytes.min(BUDGET),
        patience: Duration::from_secs(kind.patience(lab.effort)),
    }
}
