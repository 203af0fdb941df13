//! One client that reads nothing, in all rooms, beside those that do.

use std::io;
use std::slice;

use switchboard_bench::contenders::Contender;
use switchboard_bench::site::Site;

use crate::options::Options;
use crate::side::{Side, enter};
use crate::table;
use crate::talk::{ROOMS, rate};
use crate::worker::Command;
use crate::{Cell, rounds};

/// Seconds that are not measured.
const WARM_UP: u64 = 12;
/// Seconds in which the queue of the client that reads nothing becomes full, and of a window.
const FILL: u64 = 15;
const WINDOW: u64 = 6;
/// The bytes of what is said: the system holds 4 MiB for a client before its queue grows.
const LENGTH: usize = 512;
/// Windows of each kind.
const TURNS: usize = 3;

#[derive(serde::Serialize)]
pub struct Frozen {
    /// Milliseconds: p99 of the others in each window, while it reads and while it does not.
    pub reads: Vec<f64>,
    pub frozen: Vec<f64>,
    /// Bytes that are resident beyond those before, at the end of a window in which it does not read.
    pub memory: Vec<f64>,
    /// In so many windows, the server had cut it.
    pub cut: usize,
}

pub fn measure(
    (reference, others): &(Contender, Vec<Contender>),
    options: &Options,
    site: &Site,
) -> Vec<Cell<Frozen>> {
    let all: Vec<&Contender> = [reference].into_iter().chain(others).collect();
    let row = rounds("frozen", &all, options, |contender| {
        run(contender, options, site)
    });
    table::frozen(options, &row);
    row
}

fn run(contender: &Contender, options: &Options, site: &Site) -> io::Result<Frozen> {
    let mut side = Side::start(contender, options, site)?;
    enter(slice::from_mut(&mut side), options.clients, &[ROOMS])?;
    enter_all(&mut side)?;
    // Memory that a server takes once, such as for the history of its rooms, is taken before the first window.
    rate(&mut side, options.rate, LENGTH, WARM_UP)?;
    let mut seen = Frozen {
        reads: Vec::new(),
        frozen: Vec::new(),
        memory: Vec::new(),
        cut: 0,
    };
    for _ in 0..TURNS {
        seen.reads
            .push(rate(&mut side, options.rate, LENGTH, WINDOW)?.p99);
        let before = side.server.resident()?;
        side.crowd.ask(Command::Freeze)?;
        rate(&mut side, options.rate, LENGTH, FILL)?;
        seen.frozen
            .push(rate(&mut side, options.rate, LENGTH, WINDOW)?.p99);
        let after = side.server.resident()?;
        seen.memory.push(after as f64 - before as f64);
        if side.crowd.ask(Command::Thaw)?.was_cut {
            seen.cut += 1;
            enter_all(&mut side)?;
        }
    }
    Ok(seen)
}

/// Has one more client enter all rooms.
fn enter_all(side: &mut Side) -> io::Result<()> {
    side.crowd.ask(Command::Connect(1))?;
    side.crowd.ask(Command::Hello(1))?;
    side.crowd.ask(Command::JoinAll(ROOMS))?;
    Ok(())
}
