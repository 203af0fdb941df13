//! What the servers are put to, and what is measured of it.

use std::io;
use std::time::Duration;

use switchboard_lab::{Load, Usage, tree_cpu};

use crate::{churn, idle};
use switchboard_bench::contenders::Server;

/// Of one run.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Figures {
    /// Round trips, or whole connections, a second.
    pub(crate) per_s: f64,
    /// The server's processor time for each, in microseconds.
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
    /// The load's own.
    pub(crate) load_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// Resident bytes for each idle connection.
    pub(crate) bytes: f64,
}

impl Figures {
    pub(crate) fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }
}

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    work: Work,
}

enum Work {
    Echo {
        connections: usize,
        message: usize,
        depth: usize,
    },
    Churn,
    Idle,
}

const fn echo(
    name: &'static str,
    what: &'static str,
    connections: usize,
    message: usize,
    depth: usize,
) -> Kind {
    let work = Work::Echo {
        connections,
        message,
        depth,
    };
    Kind { name, what, work }
}

pub(crate) const LOADS: [Kind; 7] = [
    echo("64x1", "64 bytes, one connection", 1, 64, 1),
    echo("64x50", "64 bytes, 50 connections", 50, 64, 1),
    echo("64x1000", "64 bytes, 1,000 connections", 1000, 64, 1),
    echo("16Kx50", "16 KiB, 50 connections", 50, 16 * 1024, 1),
    echo(
        "pipe16",
        "64 bytes, 50 connections, 16 messages of each under way",
        50,
        64,
        16,
    ),
    Kind {
        name: "churn",
        what: "connect, one echo of 64 bytes, close; 50 at once",
        work: Work::Churn,
    },
    Kind {
        name: "idle",
        what: "10,000 connections after one round trip each",
        work: Work::Idle,
    },
];

impl Kind {
    pub(crate) fn run(&self, server: &Server, duration: Duration) -> io::Result<Figures> {
        match self.work {
            Work::Echo {
                connections,
                message,
                depth,
            } => {
                let load = Load {
                    addr: server.addr,
                    connections,
                    message,
                    warm_up: duration / 4,
                    duration,
                    push: false,
                };
                run_echo(&load, depth, server)
            }
            Work::Churn => churn::run(server, duration),
            Work::Idle => idle::run(server),
        }
    }
}

fn run_echo(load: &Load, depth: usize, server: &Server) -> io::Result<Figures> {
    let (mut before, mut after) = (None, None);
    let outcome = load.run_pipelined(
        depth,
        || before = Some(Meter::read(server)),
        || after = Some(Meter::read(server)),
    )?;
    let (Some(before), Some(after)) = (before, after) else {
        return Err(io::Error::other("the load ended before it began"));
    };
    if let Some(error) = outcome.errors.first() {
        return Err(io::Error::other(error.clone()));
    }
    if outcome.served < load.connections {
        return Err(io::Error::other(format!(
            "{} of {} served",
            outcome.served, load.connections
        )));
    }
    let micros = |quantile| outcome.latencies.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Figures {
        p50_us: micros(0.5),
        p99_us: micros(0.99),
        p999_us: micros(0.999),
        ..before.per(&after, outcome.round_trips, outcome.elapsed)
    })
}

/// What server and load have used up.
pub(crate) struct Meter {
    /// Exact, where `/proc` counts clock ticks.
    server: Duration,
    user: Duration,
    system: Duration,
    load: Duration,
}

impl Meter {
    pub(crate) fn read(server: &Server) -> Meter {
        let (user, system) = tree_cpu(server.pid()).unwrap_or_default();
        let own = Usage::of_self();
        Meter {
            server: server.cpu(),
            user,
            system,
            load: own.user + own.system,
        }
    }

    /// From this moment to another, for each operation. Who the time was spent by is told by clock ticks.
    pub(crate) fn per(&self, after: &Meter, operations: u64, elapsed: Duration) -> Figures {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / operations.max(1) as f64;
        let user = after.user.saturating_sub(self.user).as_secs_f64();
        let system = after.system.saturating_sub(self.system).as_secs_f64();
        let cpu = each(after.server.saturating_sub(self.server));
        let user_us = cpu * user / (user + system).max(f64::MIN_POSITIVE);
        Figures {
            per_s: operations as f64 / elapsed.as_secs_f64(),
            user_us,
            system_us: cpu - user_us,
            load_us: each(after.load.saturating_sub(self.load)),
            ..Figures::default()
        }
    }
}
