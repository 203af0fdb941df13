//! A server and its clients.

use std::io;
use std::time::{Duration, Instant};

use switchboard_bench::contenders::{Contender, Server};
use switchboard_bench::site::Site;
use switchboard_lab::median;

use crate::crowd::Crowd;
use crate::options::Options;
use crate::worker::{Answer, Command};

pub struct Side {
    /// Goes first, so that a server that ends finds no client.
    pub crowd: Crowd,
    pub server: Server,
}

/// The counts and times of a server and its clients while one command was carried out.
pub struct Spent {
    pub answer: Answer,
    /// The server's processor time.
    pub server: Duration,
}

impl Side {
    pub fn start(contender: &Contender, options: &Options, site: &Site) -> io::Result<Side> {
        let server = contender.start(options.cores.0, &[], site, None)?;
        let crowd = Crowd::start(server.addr, options.cores.1)?;
        Ok(Side { crowd, server })
    }

    /// Has the clients do something, and counts what it costs the server until it sleeps again.
    pub fn spend(&mut self, command: Command) -> io::Result<Spent> {
        let before = self.server.cpu();
        let answer = self.crowd.ask(command)?;
        Ok(Spent {
            answer,
            server: self.server.cpu() - before,
        })
    }
}

/// Has all clients of each server enter the rooms of these layouts; by turns, so that the sockets of all lie in memory
/// alike.
pub fn enter(sides: &mut [Side], clients: usize, layouts: &[usize]) -> io::Result<()> {
    for _ in 0..clients / STEP {
        for side in &mut *sides {
            side.crowd.ask(Command::Connect(STEP))?;
            side.crowd.ask(Command::Hello(STEP))?;
        }
    }
    for &rooms in layouts {
        for side in &mut *sides {
            side.crowd.ask(Command::Join(rooms))?;
        }
    }
    Ok(())
}

/// So many clients connect before they say who they are.
const STEP: usize = 500;

const TURN: Duration = Duration::from_millis(100);
/// Not measured, of each side.
const WARM_UP: usize = 2;

/// A contender beside the reference, in one round.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Figures {
    /// The contender's processor time for each thing done by the reference's: the median over fours of turns.
    pub ratio: f64,
    /// The contender's processor time for each, in microseconds: the median over turns.
    pub cpu_us: f64,
    /// How much of it was spent in user space, by clock ticks.
    pub user: f64,
    /// The clients' own time for each, in microseconds.
    pub load_us: f64,
    pub per_s: f64,
    /// How much of its turns the server was running.
    pub busy: f64,
}

/// What was done in a turn, and what it took of the server and of the clients.
pub struct Turn {
    pub done: u64,
    pub elapsed: Duration,
    pub server: Duration,
    pub load: Duration,
}

impl Turn {
    fn cpu_us(&self) -> f64 {
        self.server.as_secs_f64() * 1e6 / self.done.max(1) as f64
    }
}

/// Two servers by turns: reference, contender, contender, reference.
pub fn by_turns<T>(
    sides: &mut [T; 2],
    driven: Duration,
    server: impl Fn(&T) -> u32,
    turn: impl Fn(&mut T, Duration) -> io::Result<Turn>,
) -> io::Result<Figures> {
    for _ in 0..WARM_UP {
        for side in sides.iter_mut() {
            turn(side, TURN)?;
        }
    }
    let (mut ratios, mut turns) = (Vec::new(), Vec::new());
    let pid = server(&sides[1]);
    let spent = || switchboard_lab::tree_cpu(pid).unwrap_or_default();
    let before = spent();
    let end = Instant::now() + driven;
    while ratios.is_empty() || Instant::now() < end {
        let [reference, contender] = sides;
        let first = turn(reference, TURN)?;
        let both = [turn(contender, TURN)?, turn(contender, TURN)?];
        let last = turn(reference, TURN)?;
        let of = |two: [&Turn; 2]| two[0].cpu_us() + two[1].cpu_us();
        ratios.push(of([&both[0], &both[1]]) / of([&first, &last]));
        turns.extend(both);
    }
    let after = spent();
    let user = (after.0 - before.0).as_secs_f64();
    let system = (after.1 - before.1).as_secs_f64();
    let sum = |of: fn(&Turn) -> f64| turns.iter().map(of).sum::<f64>();
    let (done, elapsed) = (
        sum(|turn| turn.done as f64),
        sum(|turn| turn.elapsed.as_secs_f64()),
    );
    Ok(Figures {
        ratio: median(ratios),
        cpu_us: median(turns.iter().map(Turn::cpu_us).collect()),
        user: user / (user + system).max(f64::MIN_POSITIVE),
        load_us: sum(|turn| turn.load.as_secs_f64()) * 1e6 / done,
        per_s: done / elapsed,
        busy: sum(|turn| turn.server.as_secs_f64()) / elapsed,
    })
}
