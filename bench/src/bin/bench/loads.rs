//! The loads that servers are put to.

use std::io;
use std::time::Instant;

use switchboard_bench::clients::Clients;
use switchboard_bench::contenders::Server;

use crate::churn::Churn;

pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whether it runs when no load is named.
    pub(crate) usual: bool,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    Echo {
        connections: usize,
        message: usize,
        depth: usize,
    },
    Churn,
    Idle,
    Micro,
}

const fn echo(connections: usize, message: usize, depth: usize) -> Work {
    Work::Echo {
        connections,
        message,
        depth,
    }
}

const fn load(name: &'static str, what: &'static str, usual: bool, work: Work) -> Load {
    Load {
        name,
        what,
        usual,
        work,
    }
}

pub(crate) const LOADS: [Load; 8] = [
    load("64x1", "64 bytes, one connection", true, echo(1, 64, 1)),
    load("64x50", "64 bytes, 50 connections", true, echo(50, 64, 1)),
    load(
        "64x1000",
        "64 bytes, 1,000 connections",
        true,
        echo(1000, 64, 1),
    ),
    load(
        "16Kx50",
        "16 KiB, 50 connections",
        true,
        echo(50, 16 * 1024, 1),
    ),
    load(
        "churn",
        "connect, one echo of 64 bytes, close; 50 at once",
        true,
        Work::Churn,
    ),
    load(
        "pipe16",
        "64 bytes, 50 connections, 16 messages of each under way",
        false,
        echo(50, 64, 16),
    ),
    load(
        "idle",
        "10,000 connections after one round trip each",
        false,
        Work::Idle,
    ),
    load(
        "micro",
        "a loop's own moves, ns (spread)",
        false,
        Work::Micro,
    ),
];

/// The clients that drive one server.
pub(crate) enum Drive {
    Echo(Clients),
    Churn(Churn),
}

impl Work {
    /// Returns the clients of a server, without connections yet; `spins` as in [`Clients::new`].
    pub(crate) fn drive(&self, server: &Server, spins: bool) -> io::Result<Drive> {
        match *self {
            Work::Echo { message, depth, .. } => {
                Clients::new(message, depth, spins).map(Drive::Echo)
            }
            Work::Churn => Ok(Drive::Churn(Churn::new(server.addr))),
            Work::Idle | Work::Micro => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The connections that stay.
    pub(crate) fn connections(&self) -> usize {
        match *self {
            Work::Echo { connections, .. } => connections,
            _ => 0,
        }
    }
}

impl Drive {
    pub(crate) fn connect(&mut self, server: &Server) -> io::Result<()> {
        match self {
            Drive::Echo(clients) => clients.connect(server.addr),
            Drive::Churn(_) => Ok(()),
        }
    }

    /// Drives until a moment, and waits for what is under way; how many round trips that made.
    pub(crate) fn until(&mut self, end: Instant) -> io::Result<u64> {
        match self {
            Drive::Echo(clients) => clients.drive(end),
            Drive::Churn(churn) => churn.drive(end),
        }
    }
}
