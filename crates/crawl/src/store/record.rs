//! What the store keeps of an address, of what waits, of a host, and of the whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::check::Check;
use crate::fate::Fate;

/// What is known of an address. In the table it is the tuple [`RecordRow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) fate: Fate,
    /// The status of the last answer; 0 if there was none.
    pub(crate) status: u16,
    pub(crate) depth: u32,
    /// Redirects in a row that led here.
    pub(crate) hops: u8,
    pub(crate) tries: u8,
    pub(crate) priority: u8,
    pub(crate) seq: u64,
    /// Where it was found; empty for a seed.
    pub(crate) parent: Box<str>,
    /// The cause of the fate, or where a redirect leads.
    pub(crate) cause: Box<str>,
}

/// A record as redb keeps it, in the order of the fields.
pub(crate) type RecordRow<'r> = (u8, u16, u32, u8, u8, u8, u64, &'r str, &'r str);

impl Record {
    pub(crate) fn row(&self) -> RecordRow<'_> {
        (
            self.fate as u8,
            self.status,
            self.depth,
            self.hops,
            self.tries,
            self.priority,
            self.seq,
            &self.parent,
            &self.cause,
        )
    }

    /// Returns the record that a row is, or the number that is no fate's.
    pub(crate) fn from_row(row: RecordRow<'_>) -> Result<Record, u8> {
        let (fate, status, depth, hops, tries, priority, seq, parent, cause) = row;
        Ok(Record {
            fate: Fate::from_number(fate).ok_or(fate)?,
            status,
            depth,
            hops,
            tries,
            priority,
            seq,
            parent: parent.into(),
            cause: cause.into(),
        })
    }
}

/// The place of an entry in the queue: host, level, priority, number.
pub(crate) type Key = (u32, u32, u8, u64);

/// Of an entry in the queue: address, parent, depth, hops, tries.
pub(crate) type QueueRow = (&'static str, &'static str, u32, u8, u8);

/// How an entry is taken: its priority.
pub(crate) mod take {
    /// Its links are followed.
    pub(crate) const PAGE: u8 = 1;
    /// It lies deeper than a check goes: it is asked for, and its places are kept.
    pub(crate) const DEEPER: u8 = 2;
    /// It lies outside of a check's scope: it is asked for.
    pub(crate) const OUTSIDE: u8 = 3;
}

/// An address that waits for its turn.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) address: Address,
    /// Where it was found; `None` for a seed.
    pub(crate) parent: Option<Address>,
    pub(crate) depth: u32,
    pub(crate) hops: u8,
    pub(crate) tries: u8,
    /// Of the tries of this run, those that were answered by a wish to wait. The store does not count them.
    pub(crate) waits: u8,
}

impl Entry {
    pub(crate) fn host(&self) -> u32 {
        self.key.0
    }

    pub(crate) fn level(&self) -> u32 {
        self.key.1
    }

    /// Returns how it is taken, as [`take`] has it.
    pub(crate) fn priority(&self) -> u8 {
        self.key.2
    }

    pub(crate) fn seq(&self) -> u64 {
        self.key.3
    }

    /// Returns the record of this entry's address once it has a fate.
    pub(crate) fn record(&self, fate: Fate, status: u16, cause: &str) -> Record {
        Record {
            fate,
            status,
            depth: self.depth,
            hops: self.hops,
            tries: self.tries,
            priority: self.priority(),
            seq: self.seq(),
            parent: self.parent.as_ref().map_or("", Address::as_str).into(),
            cause: cause.into(),
        }
    }
}

/// What outlives a run of a host's state, in JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HostState {
    /// When robots.txt was fetched, in seconds since 1970.
    pub(crate) robots_at: u64,
    /// What applies of it.
    pub(crate) robots: String,
    /// When the host may be asked again, in milliseconds since 1970.
    pub(crate) next_at: u64,
    /// By how much the host is asked more slowly than it had to be, in milliseconds.
    pub(crate) slowed: u64,
}

/// The counts of a crawl, in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Addresses by fate, in the order of [`Fate::ALL`].
    pub(crate) fates: [u64; Fate::ALL.len()],
    /// Redirects among the fetched.
    pub(crate) redirects: u64,
    /// Requests, with those for robots.txt and those that were tried again.
    pub(crate) requests: u64,
    /// Requests for robots.txt.
    pub(crate) robots_requests: u64,
    /// Bytes of bodies, decoded.
    pub(crate) bytes: u64,
    /// Entries in the queue, by level.
    pub(crate) levels: BTreeMap<u32, u64>,
    /// The number of the next entry.
    pub(crate) next_seq: u64,
    /// Rows in the outputs.
    pub(crate) rows: u64,
    /// The number of the next host.
    pub(crate) next_host: u32,
    /// Milliseconds of earlier runs.
    pub(crate) millis: u64,
    /// Failures by cause.
    pub(crate) causes: BTreeMap<String, u64>,
}

impl Totals {
    pub(crate) fn of(&self, fate: Fate) -> u64 {
        self.fates[fate as usize]
    }

    pub(crate) fn discovered(&self) -> u64 {
        self.fates.iter().sum()
    }

    /// Counts a new address.
    pub(crate) fn add(&mut self, fate: Fate) {
        self.fates[fate as usize] += 1;
    }

    /// Counts an address that changes its fate.
    pub(crate) fn change(&mut self, from: Fate, to: Fate) {
        self.fates[from as usize] -= 1;
        self.fates[to as usize] += 1;
    }

    pub(crate) fn enqueued(&mut self, level: u32) {
        *self.levels.entry(level).or_default() += 1;
    }

    pub(crate) fn dequeued(&mut self, level: u32) {
        if let Some(count) = self.levels.get_mut(&level) {
            *count -= 1;
            if *count == 0 {
                self.levels.remove(&level);
            }
        }
    }

    /// Counts a failure, of which there are not many kinds.
    pub(crate) fn failed(&mut self, cause: &str) {
        const KINDS: usize = 64;
        let kind = cause.split(':').next().unwrap_or_default();
        let room = self.causes.contains_key(kind) || self.causes.len() < KINDS;
        let kind = if room { kind } else { "others" };
        *self.causes.entry(kind.to_owned()).or_default() += 1;
    }
}

/// What a crawl is: whatever changes the set of its pages. A folder of another crawl is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) seeds: Vec<String>,
    pub(crate) scope: String,
    pub(crate) depth: Option<u32>,
    pub(crate) robots: bool,
    pub(crate) sitemaps: bool,
    pub(crate) nofollow: bool,
    /// What is asked for besides the pages of the scope, if links are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) check: Option<Check>,
}

impl Identity {
    /// Returns the first difference, for a message to the user.
    pub(crate) fn difference(&self, asked: &Identity) -> Option<String> {
        let depth = |depth: Option<u32>| depth.map_or("no limit".to_owned(), |it| it.to_string());
        let yes = |yes: bool| if yes { "obeyed" } else { "not obeyed" };
        let outside = |check: Option<Check>| match check {
            Some(Check::All) => "asked for",
            Some(Check::Internal) | None => "left alone",
        };
        let pairs = [
            ("seeds", self.seeds.join(" "), asked.seeds.join(" ")),
            ("scope", self.scope.clone(), asked.scope.clone()),
            ("depth", depth(self.depth), depth(asked.depth)),
            (
                "robots.txt",
                yes(self.robots).into(),
                yes(asked.robots).into(),
            ),
            (
                "sitemaps",
                yes(self.sitemaps).into(),
                yes(asked.sitemaps).into(),
            ),
            (
                "nofollow",
                yes(self.nofollow).into(),
                yes(asked.nofollow).into(),
            ),
            (
                "links out of scope",
                outside(self.check).into(),
                outside(asked.check).into(),
            ),
        ];
        let different = pairs.into_iter().find(|(_, ours, theirs)| ours != theirs);
        different.map(|(what, ours, theirs)| format!("its {what}: {ours}; asked for: {theirs}"))
    }
}
