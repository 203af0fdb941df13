//! Processes beat threads for CPU work.

use std::io;
use std::time::{Duration, Instant};

use switchboard_runtime::{Model, run_each};

use crate::compare::cpu::{digest, power};
use crate::experiment::Lab;
use crate::machine::cores;
use crate::usage::Usage;

use super::effect::{Claim, Effect};
use super::saying::{Saying, unknown_case};
use super::tools::{by_turns, effect, in_child};

pub(super) struct ProcessesBeatThreads;

const CASES: [&str; 2] = ["processes", "threads"];

impl Saying for ProcessesBeatThreads {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn saying(&self) -> &'static str {
        "processes beat threads for CPU work"
    }

    fn how(&self) -> &'static str {
        "7777^200000 by num-bigint twice on each core, in processes and in threads: processor time and wall time; 10 % matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let figures = by_turns(lab, &CASES, |case| in_child(lab, self.name(), case))?;
        let times = ["processor time", "wall time"].into_iter().enumerate();
        times
            .map(|(at, time)| {
                let name = format!("processes ÷ threads, {time}");
                effect(name, &figures[0][at], &figures[1][at], Claim::Less, 0.1)
            })
            .collect()
    }

    fn work(&self, case: &str) -> io::Result<Vec<f64>> {
        if !CASES.contains(&case) {
            return Err(unknown_case(self.name(), case));
        }
        let model: Model = case.parse().map_err(io::Error::other)?;
        compute(model, cores().len() * 2, cores().len())
    }
}

/// Computes `jobs` powers under a model and returns the processor time and the wall time of each, in seconds.
pub(super) fn compute(model: Model, jobs: usize, at_once: usize) -> io::Result<Vec<f64>> {
    let (before, start) = (Usage::of_self(), Instant::now());
    let mut failed = None;
    let work = |_| async { digest(&power()) };
    run_each(model, None, jobs, at_once, work, |_, result| {
        failed = failed.take().or(result.err());
    })?;
    if let Some(error) = failed {
        return Err(io::Error::other(error.to_string()));
    }
    let (wall, after) = (start.elapsed(), Usage::of_self());
    let cpu = (after.user + after.system).saturating_sub(before.user + before.system);
    Ok([cpu, wall]
        .map(|time| time.as_secs_f64() / jobs as f64)
        .into())
}
