//! io_uring is always faster.

use std::io;
use std::time::Duration;

use switchboard_runtime::Driver;

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{TURN, echo_by_turns, effect, start_echo};

pub(super) struct UringIsFaster;

/// Clients, bytes of a message, and both in words.
const CASES: [(usize, usize, &str); 3] = [
    (1, 64, "1 client"),
    (50, 64, "50 clients"),
    (50, 16 << 10, "50 clients of 16 KiB"),
];

impl Saying for UringIsFaster {
    fn name(&self) -> &'static str {
        "io_uring"
    }

    fn saying(&self) -> &'static str {
        "io_uring is always faster"
    }

    fn how(&self) -> &'static str {
        "echo servers under `tasks/uring` and `tasks/epoll` with 1 and 50 clients, and with messages of 16 KiB: processor time \
         for a round trip; 5 % matters"
    }

    fn round(&self) -> Duration {
        TURN * 2 * CASES.len() as u32
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        if let Err(error) = Driver::Uring.open() {
            return Err(io::Error::other(format!(
                "io_uring cannot be used here: {error}"
            )));
        }
        let servers = [
            start_echo(lab, "tasks/uring")?,
            start_echo(lab, "tasks/epoll")?,
        ];
        let cells: Vec<_> = CASES
            .iter()
            .flat_map(|&(clients, message, _)| {
                servers.each_ref().map(|server| (server, clients, message))
            })
            .collect();
        let figures = echo_by_turns(lab, &cells)?;
        let pairs = figures.chunks(2).zip(CASES);
        pairs
            .map(|(pair, (_, _, words))| {
                let name = format!("uring ÷ epoll, {words}");
                effect(name, &pair[0][0], &pair[1][0], Claim::Less, 0.05)
            })
            .collect()
    }
}
