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

/// Many threads beside one for each core.
const MANY: usize = 32;

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
        "powers computed, and 64 waits of 5 ms, by 32 threads and by one for each core: processor time of what computes, wall \
         time of what waits; 10 % matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(1100)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let figures = by_turns(lab, &CASES, |case| in_child(lab, self.name(), case))?;
        let kinds = ["computing, processor time", "waiting, wall time"];
        let pairs = figures.chunks(2).zip(kinds);
        pairs
            .map(|(pair, kind)| {
                let name = format!("{MANY} threads ÷ one per core, {kind}");
                effect(name, &pair[0][0], &pair[1][0], Claim::NotLess, 0.1)
            })
            .collect()
    }

    fn work(&self, case: &str) -> io::Result<Vec<f64>> {
        let at = CASES.iter().position(|each| *each == case);
        let at = at.ok_or_else(|| unknown_case(self.name(), case))?;
        let threads = [MANY, cores().len()][at % 2];
        match at / 2 {
            0 => compute(Model::Pool, cores().len() * 3, threads),
            _ => wait(threads),
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
