//! One thread per core is best.

use std::io;
use std::time::{Duration, Instant};

use switchboard_runtime::{Model, run_each};

use crate::experiment::Lab;
use crate::machine::cores;

use super::effect::{Claim, Effect};
use super::processes_beat_threads::compute;
use super::saying::{Saying, unknown_case};
use super::tools::{by_turns, effect, in_child};

pub(super) struct OneThreadPerCore;

/// Threads of jobs that wait, beside one for each core.
const MANY: usize = 32;

/// Threads of jobs that compute, for each core. There are as many jobs.
const MANY_FOR_EACH: usize = 3;

/// Jobs that wait, and for how long.
const WAITING: usize = 64;
const WAIT: Duration = Duration::from_millis(5);

const CASES: [&str; 4] = [
    "compute in many",
    "compute in one per core",
    "wait in many",
    "wait in one per core",
];

impl Saying for OneThreadPerCore {
    fn name(&self) -> &'static str {
        "thread per core"
    }

    fn saying(&self) -> &'static str {
        "one thread per core is best"
    }

    fn how(&self) -> &'static str {
        "powers computed by three threads for each core, and 64 waits of 5 ms by 32 threads, beside one for each core: \
         processor time of what computes, wall time of what waits; 10 % matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(1100)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let figures = by_turns(lab, &CASES, |case| in_child(lab, self.name(), case))?;
        let names = [
            "three threads per core ÷ one, computing, processor time",
            "32 threads ÷ one per core, waiting, wall time",
        ];
        let pairs = figures.chunks(2).zip(names);
        pairs
            .map(|(pair, name)| {
                effect(
                    name.to_owned(),
                    &pair[0][0],
                    &pair[1][0],
                    Claim::NotLess,
                    0.1,
                )
            })
            .collect()
    }

    fn work(&self, case: &str) -> io::Result<Vec<f64>> {
        let at = CASES.iter().position(|each| *each == case);
        let at = at.ok_or_else(|| unknown_case(self.name(), case))?;
        let cores = cores().len();
        let jobs = cores * MANY_FOR_EACH;
        match at {
            0 => compute(Model::Pool, jobs, jobs),
            1 => compute(Model::Pool, jobs, cores),
            2 => wait(MANY),
            _ => wait(cores),
        }
    }
}

/// Waits in jobs by so many threads and returns the seconds until all are done.
fn wait(threads: usize) -> io::Result<Vec<f64>> {
    let start = Instant::now();
    // The threads of a pool wait in the system, as those that wait for a disk or a data base do.
    let work = |_| async { std::thread::sleep(WAIT) };
    run_each(Model::Pool, None, WAITING, threads, work, |_, _| ())?;
    Ok(vec![start.elapsed().as_secs_f64()])
}
