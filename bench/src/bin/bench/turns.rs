//! Two servers by turns: the reference and a contender, both up, on one core.
//!
//! ```text
//!   reference  ├─turn─┤              ├─turn─┤├─turn─┤              ├─turn─┤
//!   contender          ├─turn─┤├─turn─┤              ├─turn─┤├─turn─┤
//!              └────────── four ──────────┘  └────────── four ──────────┘
//! ```
//!
//! A ratio is that of two turns to the two around them. Drift cancels in it; and so does what a turn saves
//! that follows another of its own side, with a cache that is warm: 5 % of a thousand connections' cost.

use std::io;
use std::time::{Duration, Instant};

use switchboard_bench::contenders::{Contender, Server, clock};
use switchboard_bench::site::Site;
use switchboard_lab::{median, tree_cpu};

use crate::loads::{Drive, Load};
use crate::noise::Noise;

const TURN: Duration = Duration::from_millis(100);
/// Not measured, of each side.
const WARM_UP: usize = 2;

/// Of the contender in one round.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Figures {
    /// The contender's processor time for a round trip by the reference's: the median over fours of turns.
    pub(crate) ratio: f64,
    /// The contender's processor time for a round trip, microseconds: the median over turns.
    pub(crate) cpu_us: f64,
    /// How much of it was spent in user space, by clock ticks.
    pub(crate) user: f64,
    /// The load's own time for a round trip, microseconds.
    pub(crate) load_us: f64,
    /// Round trips, or whole connections, a second.
    pub(crate) per_s: f64,
    /// How much of its turns the server was running.
    pub(crate) busy: f64,
    /// How much of the two cores others took meanwhile.
    pub(crate) others: f64,
}

struct Side {
    /// Closes its connections first, so that a server that ends finds none.
    drive: Drive,
    server: Server,
}

#[derive(Clone, Copy)]
struct Turn {
    trips: u64,
    elapsed: Duration,
    server: Duration,
    load: Duration,
}

impl Side {
    fn start(contender: &Contender, load: &Load, site: &Site, cores: &[usize]) -> io::Result<Side> {
        let backend = load.backend()?;
        let to = backend.as_ref().map(|backend| backend.addr()).transpose()?;
        let server = contender.start(cores[0], &[], site, to)?;
        let (drive, _) = load.drive(&server, backend, site, cores.len() > 1)?;
        Ok(Side { drive, server })
    }

    /// Nothing is under way where a turn begins and ends, so what is spent in it is its own.
    fn turn(&mut self) -> io::Result<Turn> {
        let (server, load) = (self.server.cpu(), clock(0));
        let start = Instant::now();
        let trips = self.drive.until(start + TURN)?;
        let (elapsed, load) = (start.elapsed(), clock(0) - load);
        Ok(Turn {
            trips,
            elapsed,
            server: self.server.cpu() - server,
            load,
        })
    }
}

impl Turn {
    fn cpu_us(&self) -> f64 {
        self.server.as_secs_f64() * 1e6 / self.trips.max(1) as f64
    }
}

/// One round: `driven` is how long the turns last, of both sides together.
pub(crate) fn run(
    reference: &Contender,
    contender: &Contender,
    load: &Load,
    site: &Site,
    cores: &[usize],
    driven: Duration,
) -> io::Result<Figures> {
    let mut sides = [
        Side::start(reference, load, site, cores)?,
        Side::start(contender, load, site, cores)?,
    ];
    // By turns too, so that the sockets of both lie in memory alike.
    for _ in 0..load.connections() {
        for side in &mut sides {
            side.drive.connect(&side.server)?;
        }
    }
    for _ in 0..WARM_UP {
        for side in &mut sides {
            side.turn()?;
        }
    }
    let spent = |side: &Side| tree_cpu(side.server.pid()).unwrap_or_default();
    let before = spent(&sides[1]);
    let noise = Noise::start(cores, [&sides[0].server, &sides[1].server]);
    let fours = (driven.as_secs_f64() / TURN.as_secs_f64() / 4.0).round() as usize;
    let (mut ratios, mut turns) = (Vec::new(), Vec::new());
    for _ in 0..fours.max(1) {
        let mut against = [sides[0].turn()?; 2];
        let both = [sides[1].turn()?, sides[1].turn()?];
        against[1] = sides[0].turn()?;
        let cpu_us = |two: [Turn; 2]| two[0].cpu_us() + two[1].cpu_us();
        ratios.push(cpu_us(both) / cpu_us(against));
        turns.extend(both);
    }
    let others = noise.others([&sides[0].server, &sides[1].server]);
    let after = spent(&sides[1]);
    let user = (after.0 - before.0).as_secs_f64();
    let system = (after.1 - before.1).as_secs_f64();
    let sum = |of: fn(&Turn) -> f64| turns.iter().map(of).sum::<f64>();
    let (trips, elapsed) = (
        sum(|turn| turn.trips as f64),
        sum(|turn| turn.elapsed.as_secs_f64()),
    );
    Ok(Figures {
        ratio: median(ratios),
        cpu_us: median(turns.iter().map(Turn::cpu_us).collect()),
        user: user / (user + system).max(f64::MIN_POSITIVE),
        load_us: sum(|turn| turn.load.as_secs_f64()) * 1e6 / trips,
        per_s: trips / elapsed,
        busy: sum(|turn| turn.server.as_secs_f64()) / elapsed,
        others,
    })
}
