//! Select slows with descriptors.

use std::io;
use std::time::Duration;

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{
    MESSAGE, TURN, connect, connections_at_most, echo_by_turns, effect, start_echo,
};

pub(super) struct SelectSlows;

/// Clients that speak, and connections that do not; together below the 1,024 descriptors of `select`.
const ACTIVE: usize = 10;
const IDLE: usize = 800;

const DRIVERS: [&str; 3] = ["select", "poll", "epoll"];

impl Saying for SelectSlows {
    fn name(&self) -> &'static str {
        "select"
    }

    fn saying(&self) -> &'static str {
        "select slows with descriptors"
    }

    fn how(&self) -> &'static str {
        "an echo server under `tasks/select` with 10 clients, beside 800 idle connections and without them, processor time \
         for a round trip; 10 % matters; `poll` and `epoll` beside it"
    }

    fn round(&self) -> Duration {
        TURN * 2 * DRIVERS.len() as u32
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let mut servers = Vec::new();
        let mut held = Vec::new();
        // All idle connections of this process count against one limit.
        let idle = connections_at_most(IDLE * DRIVERS.len()) / DRIVERS.len();
        for driver in DRIVERS {
            for idle in [idle, 0] {
                let server = start_echo(lab, &format!("tasks/{driver}"))?;
                held.extend(connect(server.addr(), idle)?);
                servers.push(server);
            }
        }
        let cells: Vec<_> = servers
            .iter()
            .map(|server| (server, ACTIVE, MESSAGE))
            .collect();
        let figures = echo_by_turns(lab, &cells)?;
        let pairs = figures.chunks(2).zip(DRIVERS);
        pairs
            .map(|(pair, driver)| {
                let claim = match driver {
                    "select" => Claim::More,
                    _ => Claim::Nothing,
                };
                let name = format!("{driver} with {idle} idle ÷ with none");
                effect(name, &pair[0][0], &pair[1][0], claim, 0.1)
            })
            .collect()
    }
}
