//! Nodes of `switchboard serve chat` that are killed under load, and a Redis that freezes.

mod frozen;
mod kills;
mod member;
#[path = "../../../../chat/tests/redis/server.rs"]
pub(crate) mod redis;

use crate::served::Served;

/// Starts a node. Clients that connect to a port of this address never get that port themselves, so that the node finds
/// it free when it is started again.
fn start(addr: Option<&str>, arguments: &[&str]) -> Served {
    let addr = addr.unwrap_or("127.0.0.2:0");
    let node = ["chat", "--listen", addr, "--history", "100000"];
    Served::start(&[&node, arguments].concat(), None)
}

/// Returns the number in a variable of the environment.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
    )
}
