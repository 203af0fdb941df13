//! What a hub permits.

use std::time::Duration;

use crate::{Now, Overflow};

/// What a [`Hub`](crate::Hub) permits and keeps.
///
/// ```
/// use switchboard_chat::HubOptions;
///
/// let options = HubOptions { history: 1000, ..HubOptions::default() };
/// assert_eq!(options.outbox, 1024 * 1024);
/// ```
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// The most entries that a room keeps. Default 100.
    pub history: usize,
    /// How long an entry is kept. Default 24 hours.
    pub history_age: Duration,
    /// The bytes of all histories together, in memory, above which the largest of them forget their oldest entries.
    /// They are looked at each [`TICK`](crate::Hub::TICK). An entry counts for its JSON and 288 bytes; it has up to three
    /// times as many if clients want it compressed or as lines. Default 1 GiB.
    pub history_memory: usize,
    /// The most bytes of a client's queue. Default 1 MiB.
    pub outbox: usize,
    /// What happens to a client whose queue is full. Default [`Overflow::Cut`].
    pub overflow: Overflow,
    /// The most bytes of a text that is said. Default 16 KiB.
    pub text: usize,
    /// The most rooms that a client is in. Default 128.
    pub rooms: usize,
    /// The commands a second that a client may send in the long run. Default 20.
    pub rate: u32,
    /// The commands that a client may send at once. Default 60.
    pub burst: u32,
    /// How long a name is held for its session after the connection has ended. Default 60 s.
    pub grace: Duration,
    /// The members of a room up to which each is told who comes and goes. In larger rooms, members are counted and
    /// not named. Default 200.
    pub presence: usize,
    /// The secret that tokens are signed with; `None` lets everybody have any name that is free. Default `None`.
    pub secret: Option<Vec<u8>>,
}

/// How long the end of a connection may be unnoticed.
const UNNOTICED: Duration = Duration::from_secs(60);

impl Default for HubOptions {
    fn default() -> HubOptions {
        HubOptions {
            history: 100,
            history_age: Duration::from_secs(24 * 60 * 60),
            history_memory: 1024 * 1024 * 1024,
            outbox: 1024 * 1024,
            overflow: Overflow::Cut,
            text: 16 * 1024,
            rooms: 128,
            rate: 20,
            burst: 60,
            grace: Duration::from_secs(60),
            presence: 200,
            secret: None,
        }
    }
}

impl HubOptions {
    /// Returns when the oldest entry that is kept may have been said, in milliseconds since 1970.
    pub(crate) fn oldest(&self, now: Now) -> u64 {
        let age = self.history_age.as_millis();
        now.unix
            .saturating_sub(u64::try_from(age).unwrap_or(u64::MAX))
    }

    /// Returns since when something may have been said that its client sends again at `unix`, both in milliseconds since
    /// 1970: the session is held for the grace once the end of its connection is noticed.
    pub(crate) fn repeats_since(&self, unix: u64) -> u64 {
        let memory = self.grace.saturating_add(UNNOTICED).as_millis();
        unix.saturating_sub(u64::try_from(memory).unwrap_or(u64::MAX))
    }
}
