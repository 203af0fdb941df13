//! What has happened since the last commit, and what Redis has still to be told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::fate::Fate;
use crate::keeper::Found;
use crate::output::Fetched;
use crate::robots::Robots;

/// Pages after which a batch is committed, or as many as are fetched at once if those are more.
const PAGES: usize = 256;

/// Bytes of bodies and rules after which a batch is committed.
const BYTES: usize = 8 << 20;

/// Links after which a batch is committed.
const LINKS: usize = 65_536;

/// The age at which a batch is committed.
const AGE: Duration = Duration::from_secs(1);

/// How a request has begun or ended.
pub(super) struct Event {
    pub(super) claim: u64,
    pub(super) what: What,
}

pub(super) enum What {
    /// It was sent at this time.
    Started(Instant),
    AnsweredWell,
    /// The host wants to be left alone, for a time if it says so.
    SlowDown(Option<Duration>),
    /// Its page is given up, since no connection can be made.
    Unreachable,
    /// None of these.
    Ended,
    /// It was not sent.
    Unused,
}

/// A claim that is given back.
pub(super) struct GivenBack {
    pub(super) claim: u64,
    /// How long nobody claims it.
    pub(super) pause: Duration,
    /// What it is from now on, if it changes: a payload, and a record.
    pub(super) payload: String,
    pub(super) record: String,
}

/// A page with its fate.
pub(super) struct Done {
    pub(super) claim: u64,
    pub(super) address: Address,
    pub(super) fate: Fate,
    pub(super) depth: u32,
    pub(super) record: String,
}

/// What robots.txt of a host says.
pub(super) struct Learned {
    pub(super) claim: u64,
    pub(super) origin: String,
    pub(super) robots: Robots,
    /// How long that counts.
    pub(super) lasts: Duration,
}

#[derive(Default)]
pub(super) struct Batch {
    pub(super) done: Vec<Done>,
    pub(super) found: Vec<Found>,
    pub(super) rules: Vec<Learned>,
    /// What the scope has grown by.
    pub(super) scope: Vec<Address>,
    pub(super) rows: Vec<Fetched>,
    /// By how much the counts of the crawl grow.
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) causes: BTreeMap<String, u64>,
    pub(super) bytes: usize,
    since: Option<Instant>,
}

impl Batch {
    /// Notes that something is in it.
    pub(super) fn touch(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    pub(super) fn count(&mut self, what: &'static str, by: u64) {
        *self.counts.entry(what).or_default() += by;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Returns when it has to be committed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + AGE)
    }

    /// Whether it has to be committed whatever its age, if so many requests are sent at once.
    pub(super) fn is_full(&self, at_once: usize) -> bool {
        self.done.len() >= PAGES.max(at_once) || self.bytes >= BYTES || self.found.len() >= LINKS
    }
}
