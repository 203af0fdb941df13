//! Async is faster than threads.

use std::io;
use std::time::Duration;

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{MESSAGE, TURN, connections_at_most, echo_by_turns, effect, start_echo};

pub(super) struct AsyncIsFaster;

/// Clients at once.
const CLIENTS: [usize; 3] = [1, 50, 200];

impl Saying for AsyncIsFaster {
    fn name(&self) -> &'static str {
        "async"
    }

    fn saying(&self) -> &'static str {
        "async is faster than threads"
    }

    fn how(&self) -> &'static str {
        "echo servers under `threads` and `tasks` with 1, 50 and 200 clients, processor time for a round trip; 5 % matters"
    }

    fn round(&self) -> Duration {
        TURN * 2 * CLIENTS.len() as u32
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let servers = [start_echo(lab, "threads")?, start_echo(lab, "tasks")?];
        let clients = CLIENTS.map(connections_at_most);
        let cells: Vec<_> = clients
            .iter()
            .flat_map(|&clients| servers.each_ref().map(|server| (server, clients, MESSAGE)))
            .collect();
        let figures = echo_by_turns(lab, &cells)?;
        let pairs = figures.chunks(2).zip(clients);
        pairs
            .map(|(pair, clients)| {
                let plural = if clients == 1 { "" } else { "s" };
                let name = format!("threads ÷ tasks, {clients} client{plural}");
                effect(name, &pair[0][0], &pair[1][0], Claim::More, 0.05)
            })
            .collect()
    }
}
