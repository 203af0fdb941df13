//! A crowd: many clients on one thread, in groups that differ in what they say and when they say it.
//!
//! ```text
//!   Spec ──► measure ──► Crowd: poller, due times ──► Client: one connection ──► Answer
//!                          └──► Tally of each group: counts, latencies ──► Found
//! ```
//!
//! [`Load`](crate::Load) drives echo servers in a closed loop, as fast as they answer. A crowd has idle clients, slow
//! ones, and such that send at due times; their latencies count from when a request was due.

mod client;
mod clients;
mod counts;
mod exchange;
mod measure;
mod phases;
pub(crate) mod setup;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use clients::Crowd;
pub(crate) use measure::{Found, Spec, run};

/// What a group's clients say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// So many bytes, which an echo server sends back.
    Echo(usize),
    /// `GET PREFIX N`, where N goes through so many pages, each client's next one being another's last.
    Page(String, usize),
}

/// When a group's clients say it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Once, when it is connected, and then when it is told to.
    Idle,
    /// Again as soon as it is answered: a closed loop.
    Closed,
    /// At due times, spread over the interval, however late the answers are: an open loop.
    Every(Duration),
    /// Half of it, and then nothing.
    Half,
    /// One byte each time, and never the last one.
    Trickle(Duration),
}

/// Clients that do the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The server's address.
    pub addr: SocketAddr,
    /// How many they are.
    pub clients: usize,
    /// What they say.
    pub says: Says,
    /// When they say it.
    pub pace: Pace,
    /// Whether each request has a connection of its own.
    pub fresh: bool,
    /// Whether they are there before the others.
    pub early: bool,
    /// How long after it was due an answer is late.
    pub deadline: Option<Duration>,
}

/// What a group found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// The group's clients.
    pub clients: usize,
    /// Those that were answered at least once.
    pub served: usize,
    /// Requests that were due: the answered, the failed and the unanswered ones.
    pub due: u64,
    /// Requests that were answered as they should be.
    pub answered: u64,
    /// Requests whose connection failed or whose answer was wrong.
    pub failed: u64,
    /// Requests that nobody answered until the end.
    pub unanswered: u64,
    /// Requests that were not answered before their deadline, the failed and the unanswered included.
    pub late: u64,
    /// Seconds that half of the requests took, from when they were due; the unanswered count until the end.
    pub p50_s: f64,
    /// The same of 99 %.
    pub p99_s: f64,
    /// The longest.
    pub worst_s: f64,
    /// Seconds in which the answers came: those in which requests were due, but until the group's last answer, if that
    /// came later and some requests were left unanswered.
    pub within_s: f64,
    /// The first error.
    pub error: Option<String>,
}

impl Counts {
    /// Returns the answers a second. Where all that was due is answered, that is what was offered, however long the last
    /// answer took; where not, what the server can do.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.within_s
    }
}
