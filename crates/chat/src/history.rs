//! The newest entries of a room.

use std::collections::{HashMap, VecDeque};

use crate::Parcel;
use crate::entry::{Entry, Identity};

/// Entries in the order of their offsets, the newest last. Offsets are left out where entries were lost.
#[derive(Default)]
pub(crate) struct History {
    entries: VecDeque<Kept>,
    /// The offset of the newest entry, also if it is kept no longer.
    last: u64,
    /// The offsets of the entries that have a number of their client's.
    numbered: HashMap<Identity, u64>,
}

struct Kept {
    offset: u64,
    parcel: Parcel,
    time: u64,
    identity: Option<Identity>,
}

impl History {
    /// Returns a history whose next entry is the one behind `last`.
    pub(crate) fn after(last: u64) -> History {
        History {
            last,
            ..History::default()
        }
    }

    /// Adds the next entry, and forgets those beyond `most`, or said before `oldest`.
    pub(crate) fn push(&mut self, parcel: Parcel, entry: &Entry, most: usize, oldest: u64) {
        self.last += 1;
        let (time, identity) = (entry.time, entry.identity());
        if let Some(identity) = identity.clone() {
            self.numbered.insert(identity, self.last);
        }
        self.entries.push_back(Kept {
            offset: self.last,
            parcel,
            time,
            identity,
        });
        self.trim(most, oldest);
    }

    /// Forgets the oldest entries beyond `most`, and those that were said before `oldest`.
    pub(crate) fn trim(&mut self, most: usize, oldest: u64) {
        while let Some(first) = self.entries.front()
            && (self.entries.len() > most || first.time < oldest)
        {
            let forgotten = self.entries.pop_front();
            if let Some(identity) = forgotten.and_then(|kept| kept.identity) {
                self.numbered.remove(&identity);
            }
        }
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
            self.numbered.shrink_to_fit();
        }
    }

    /// Returns the offset of the entry that is the same.
    pub(crate) fn find(&self, identity: &Identity) -> Option<u64> {
        self.numbered.get(identity).copied()
    }

    /// Returns the offset of the newest entry; 0 if there was none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Leaves out the offsets up to `last`, whose entries are lost.
    pub(crate) fn skip(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// Returns whether all entries from `offset` on are kept.
    pub(crate) fn is_whole(&self, offset: u64) -> bool {
        self.entries.len() - self.index(offset) == (self.last + 1).saturating_sub(offset) as usize
    }

    /// Returns where the entries from `offset` on begin.
    fn index(&self, offset: u64) -> usize {
        self.entries.partition_point(|kept| kept.offset < offset)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the entries from `offset` on, with their offsets.
    pub(crate) fn from(&self, offset: u64) -> impl DoubleEndedIterator<Item = (u64, &Parcel)> {
        let entries = self.entries.range(self.index(offset)..);
        entries.map(|kept| (kept.offset, &kept.parcel))
    }

    /// Returns at most `limit` entries and `bytes` bytes before `offset`, the oldest first, and whether none are kept
    /// before them.
    pub(crate) fn before(&self, offset: u64, limit: usize, bytes: usize) -> (Vec<Parcel>, bool) {
        let end = self.index(offset);
        let start = end - self.fitting(end, limit, bytes);
        let entries = self.entries.range(start..end);
        let entries = entries.map(|kept| kept.parcel.clone());
        (entries.collect(), start == 0)
    }

    /// Returns where to begin so that at most `limit` entries and `bytes` bytes follow.
    pub(crate) fn newest(&self, limit: usize, bytes: usize) -> u64 {
        let end = self.entries.len();
        match self.fitting(end, limit, bytes) {
            0 => self.last + 1,
            count => self.entries[end - count].offset,
        }
    }

    /// Returns how many entries before the index `end` are at most `limit`, and have at most `bytes` bytes.
    fn fitting(&self, end: usize, limit: usize, bytes: usize) -> usize {
        let mut left = bytes;
        let entries = self.entries.range(..end).rev().take(limit);
        let fitting = entries.take_while(|kept| {
            let fits = kept.parcel.weight() <= left;
            left = left.saturating_sub(kept.parcel.weight());
            fits
        });
        fitting.count()
    }
}
