//! The load `connect`: clients open connections and keep them, and the time, the processor time and the memory that
//! each takes are measured.

use std::io;

use switchboard_bench::contenders::Contender;
use switchboard_bench::site::Site;

use crate::options::Options;
use crate::side::Side;
use crate::table;
use crate::worker::Command;
use crate::{Cell, rounds};

/// The rooms that clients enter in the end.
const ROOMS: usize = 100;

#[derive(serde::Serialize)]
pub struct Connected {
    /// Of all handshakes, and of all names.
    pub seconds: f64,
    pub hello_seconds: f64,
    /// The server's processor time for each client, in microseconds.
    pub cpu_us: f64,
    pub hello_cpu_us: f64,
    /// Resident bytes for each client: after the handshake, with a name, in a room.
    pub idle: f64,
    pub named: f64,
    pub member: f64,
}

pub fn measure(
    (reference, others): &(Contender, Vec<Contender>),
    options: &Options,
    site: &Site,
) -> Vec<Cell<Connected>> {
    let all: Vec<&Contender> = [reference].into_iter().chain(others).collect();
    let row = rounds("connect", &all, options, |contender| {
        run(contender, options, site)
    });
    table::connected(options, &row);
    row
}

fn run(contender: &Contender, options: &Options, site: &Site) -> io::Result<Connected> {
    let mut side = Side::start(contender, options, site)?;
    // Memory that a server takes once counts for no client.
    side.crowd.ask(Command::Connect(1))?;
    side.crowd.ask(Command::Hello(1))?;
    let clients = options.clients;
    let each = |bytes: u64| bytes as f64 / clients as f64;
    let before = side.server.resident()?;
    let resident = |side: &Side| {
        let now = side.server.resident()?;
        io::Result::Ok(each(now.saturating_sub(before)))
    };
    let connected = side.spend(Command::Connect(clients))?;
    let idle = resident(&side)?;
    let hello = side.spend(Command::Hello(clients))?;
    let named = resident(&side)?;
    side.crowd.ask(Command::Join(ROOMS))?;
    Ok(Connected {
        seconds: connected.answer.seconds,
        hello_seconds: hello.answer.seconds,
        cpu_us: connected.server.as_secs_f64() * 1e6 / clients as f64,
        hello_cpu_us: hello.server.as_secs_f64() * 1e6 / clients as f64,
        idle,
        named,
        member: resident(&side)?,
    })
}
