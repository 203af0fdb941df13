//! What has happened since the last commit.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::check::Checked;
use crate::failpoint;
use crate::output::Fetched;
use crate::store::{Entry, Record};

/// Pages after which a batch is committed, or as many as are fetched at once if those are more.
const PAGES: usize = 256;

/// Bytes of bodies after which a batch is committed.
const BYTES: usize = 8 << 20;

/// Links after which a batch is committed.
const LINKS: usize = 65_536;

/// The age at which a batch is committed.
pub(super) const AGE: Duration = Duration::from_secs(1);

/// An address that was found, and is new unless the store has it.
pub(crate) struct Found {
    pub(crate) address: Address,
    /// `None` for a seed.
    pub(crate) parent: Option<Address>,
    pub(crate) depth: u32,
    /// Redirects in a row that led here; 0 for a link.
    pub(crate) hops: u8,
}

/// A robots.txt that was fetched.
pub(super) struct Rulebook {
    pub(super) host: u32,
    pub(super) text: String,
}

#[derive(Default)]
pub(super) struct Batch {
    pub(super) done: Vec<(Entry, Record)>,
    pub(super) found: Vec<Found>,
    /// Entries that will be tried again.
    pub(super) again: Vec<Entry>,
    pub(super) rulebooks: Vec<Rulebook>,
    /// How long hosts wait: the milliseconds by which they were slowed down, and since 1970.
    pub(super) slowed: HashMap<u32, (u64, u64)>,
    pub(super) rows: Vec<Fetched>,
    /// What a check keeps of pages.
    pub(super) checked: Vec<(Address, Checked)>,
    bytes: usize,
    since: Option<Instant>,
}

impl Batch {
    /// Notes that something is in it.
    pub(super) fn touch(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    pub(super) fn add_row(&mut self, row: Fetched, bytes: usize) {
        self.bytes += bytes;
        self.rows.push(row);
    }

    pub(super) fn add_checked(&mut self, address: &Address, checked: Checked) {
        self.bytes += checked.links.len() + checked.anchors.as_ref().map_or(0, Vec::len);
        self.checked.push((address.clone(), checked));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Returns when it has to be committed, whatever its size.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.since.filter(|_| !failpoint::is_held())?;
        Some(since + AGE)
    }

    /// Whether it has to be committed whatever its age, if so many requests are sent at once.
    pub(super) fn is_full(&self, at_once: usize) -> bool {
        self.done.len() >= PAGES.max(at_once) || self.bytes >= BYTES || self.found.len() >= LINKS
    }
}
