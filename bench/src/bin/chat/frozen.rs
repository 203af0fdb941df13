//! One client that reads nothing, in all rooms, beside those that do.

use std::io;
use std::slice;

use switchboard_bench::contenders::Contender;
use switchboard_bench::site::Site;
use switchboard_lab::median;

use crate::options::Options;
use crate::side::{Side, enter};
use crate::table;
use crate::talk::{ROOMS, Rated, rate};
use crate::worker::Command;
use crate::{Cell, rounds};

/// Messages that are not measured: more than the histories of the rooms hold.
const WARM_UP: u64 = 12_000;
/// Seconds in which the client reads, and those in which it does not: its queue becomes full, and stays so.
const READS: u64 = 12;
const FROZEN: u64 = 21;
/// The bytes of what is said: the system holds 4 MiB for a client before its queue grows.
const LENGTH: usize = 512;
/// Turns of a round.
const TURNS: usize = 3;

/// One turn: what the others saw in each second while it reads, and while it does not.
#[derive(serde::Serialize)]
pub struct Frozen {
    pub reads: Vec<Rated>,
    pub frozen: Vec<Rated>,
    /// Bytes that are resident beyond those before, at the end of the time in which it does not read.
    pub memory: f64,
    pub was_cut: bool,
}

impl Frozen {
    /// Returns the median of its seconds while it does not read, divided by the one while it does.
    pub fn ratio(&self, field: impl Fn(&Rated) -> f64) -> f64 {
        let middle = |seconds: &[Rated]| median(seconds.iter().map(&field).collect());
        middle(&self.frozen) / middle(&self.reads)
    }
}

pub fn measure(
    (reference, others): &(Contender, Vec<Contender>),
    options: &Options,
    site: &Site,
) -> Vec<Cell<Vec<Frozen>>> {
    let all: Vec<&Contender> = [reference].into_iter().chain(others).collect();
    let row = rounds("frozen", &all, options, |contender| {
        run(contender, options, site)
    });
    table::frozen(options, &row);
    row
}

fn run(contender: &Contender, options: &Options, site: &Site) -> io::Result<Vec<Frozen>> {
    let mut side = Side::start(contender, options, site)?;
    enter(slice::from_mut(&mut side), options.clients, &[ROOMS])?;
    enter_all(&mut side)?;
    // Memory that a server takes once, such as for the history of its rooms, is taken before the first turn.
    seconds(&mut side, options, WARM_UP.div_ceil(options.rate))?;
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let reads = seconds(&mut side, options, READS)?;
        let before = side.server.resident()?;
        side.crowd.ask(Command::Freeze)?;
        let frozen = seconds(&mut side, options, FROZEN)?;
        let after = side.server.resident()?;
        let was_cut = side.crowd.ask(Command::Thaw)?.was_cut;
        if was_cut {
            enter_all(&mut side)?;
        }
        turns.push(Frozen {
            reads,
            frozen,
            memory: after as f64 - before as f64,
            was_cut,
        });
    }
    Ok(turns)
}

/// Returns what the others saw in each of so many seconds.
fn seconds(side: &mut Side, options: &Options, count: u64) -> io::Result<Vec<Rated>> {
    (0..count)
        .map(|_| rate(side, options.rate, LENGTH, 1))
        .collect()
}

/// Has one more client enter all rooms.
fn enter_all(side: &mut Side) -> io::Result<()> {
    side.crowd.ask(Command::Connect(1))?;
    side.crowd.ask(Command::Hello(1))?;
    side.crowd.ask(Command::JoinAll(ROOMS))?;
    Ok(())
}
