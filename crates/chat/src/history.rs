//! The newest entries of a room.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Parcel;
use crate::entry::{Entry, Identity};
use crate::{HubOptions, Said};

/// Entries in the order of their offsets, the newest last. Offsets are left out where entries were lost.
pub(crate) struct History {
    entries: VecDeque<Kept>,
    /// The offset of the newest entry, also if it is kept no longer.
    last: u64,
    /// The offsets of the entries that have a number of their client's.
    numbered: HashMap<Identity, u64>,
    /// Of these, the ones that are kept no longer and may be sent again, the oldest first.
    said: VecDeque<Said>,
    weight: Weight,
}

/// The bytes that all histories of a hub have together.
#[derive(Clone, Default)]
pub(crate) struct TotalBytes(Arc<AtomicUsize>);

/// The bytes of one history, which count among those of all until it is dropped.
struct Weight {
    own: usize,
    all: TotalBytes,
}

impl TotalBytes {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Weight {
    fn add(&mut self, bytes: usize) {
        self.own += bytes;
        self.all.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&mut self, bytes: usize) {
        self.own -= bytes;
        self.all.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.remove(self.own);
    }
}

/// What an entry counts for beside its JSON, in bytes: its place, its number, and its part of the room. Other forms of it,
/// which are made once a client wants them, are not counted.
const ENTRY: usize = 256;

/// Returns about what an entry will count for.
pub(crate) fn weight_of(entry: &Entry) -> usize {
    entry.text.len() + 2 * ENTRY
}

/// Has the largest histories shortened, until all have no more than `most` bytes. Of those that are large alike, the ones in
/// which nothing was said for the longest time are the first. Each is given by the time of its newest entry, its bytes, and
/// what `shorten` gets with the bytes that may stay; it returns those that do.
pub(crate) fn shorten_largest<H>(
    mut histories: Vec<(u64, usize, H)>,
    most: usize,
    mut shorten: impl FnMut(H, usize) -> usize,
) {
    let mut all: Vec<usize> = histories.iter().map(|(_, bytes, _)| *bytes).collect();
    let mut total: usize = all.iter().sum();
    let level = level(&mut all, most);
    histories.retain(|(_, bytes, _)| *bytes > level);
    histories.sort_by_key(|(newest, ..)| *newest);
    for (_, bytes, history) in histories {
        if total <= most {
            break;
        }
        total = total - bytes + shorten(history, level);
    }
}

/// Returns the most bytes that each history may have so that all of them together have no more than `most`.
fn level(all: &mut [usize], mut most: usize) -> usize {
    all.sort_unstable();
    let mut left = all.len();
    for bytes in all {
        let share = most / left;
        if *bytes > share {
            return share;
        }
        most -= *bytes;
        left -= 1;
    }
    usize::MAX
}

/// The most entries that are known of a room though they are kept no longer.
pub(crate) const MOST_SAID: usize = 16_384;

struct Kept {
    offset: u64,
    parcel: Parcel,
    /// The bytes that this entry adds to those of the history.
    weight: usize,
    time: u64,
    identity: Option<Identity>,
}

impl History {
    /// Returns a history without entries, whose bytes count among `all`.
    pub(crate) fn new(all: &TotalBytes) -> History {
        let (own, all) = (0, all.clone());
        History {
            entries: VecDeque::new(),
            last: 0,
            numbered: HashMap::new(),
            said: VecDeque::new(),
            weight: Weight { own, all },
        }
    }

    /// Forgets everything: the next entry is the one behind `last`.
    pub(crate) fn begin(&mut self, last: u64) {
        *self = History::new(&self.weight.all);
        self.last = last;
    }

    /// Returns when the newest entry that is kept was said, in milliseconds since 1970; 0 if none is.
    pub(crate) fn newest_time(&self) -> u64 {
        self.entries.back().map_or(0, |kept| kept.time)
    }

    /// Returns how many bytes the entries have.
    pub(crate) fn bytes(&self) -> usize {
        self.weight.own
    }

    /// Notes an entry that is kept no longer, and may be sent again. Later ones come later.
    pub(crate) fn note(&mut self, said: Said) {
        self.numbered.insert(said.identity(), said.offset);
        self.said.push_back(said);
    }

    /// Adds the next entry, and forgets those that were said before `oldest`, or are more than `options` keep.
    pub(crate) fn push(
        &mut self,
        parcel: Parcel,
        entry: &Entry,
        oldest: u64,
        options: &HubOptions,
    ) {
        self.last += 1;
        let (time, identity) = (entry.time, entry.identity());
        if let Some(identity) = identity.clone() {
            self.numbered.insert(identity, self.last);
        }
        let weight = parcel.weight() + ENTRY;
        self.weight.add(weight);
        self.entries.push_back(Kept {
            offset: self.last,
            parcel,
            weight,
            time,
            identity,
        });
        // It is the newest: its time is about the present.
        self.trim(options.history, oldest, options.repeats_since(time));
    }

    /// Forgets the oldest entries beyond `most`, and those that were said before `oldest`. That one was said is known
    /// as long as it was said after `repeated`.
    pub(crate) fn trim(&mut self, most: usize, oldest: u64, repeated: u64) {
        while let Some(first) = self.entries.front()
            && (self.entries.len() > most || first.time < oldest)
        {
            self.forget_first();
        }
        self.trim_said(repeated);
    }

    /// Forgets the oldest entries beyond so many bytes.
    pub(crate) fn lighten(&mut self, bytes: usize, repeated: u64) {
        while self.bytes() > bytes {
            self.forget_first();
        }
        self.entries.shrink_to_fit();
        self.trim_said(repeated);
    }

    /// Forgets the oldest entry. That it was said is still known.
    fn forget_first(&mut self) {
        let Some(kept) = self.entries.pop_front() else {
            return;
        };
        self.weight.remove(kept.weight);
        if let Some((from, id)) = kept.identity {
            let (offset, time) = (kept.offset, kept.time);
            self.said.push_back(Said {
                offset,
                from,
                id,
                time,
            });
        }
    }

    fn trim_said(&mut self, repeated: u64) {
        while let Some(first) = self.said.front()
            && (self.said.len() > MOST_SAID || first.time < repeated)
        {
            let (identity, offset) = (first.identity(), first.offset);
            if self.numbered.get(&identity) == Some(&offset) {
                self.numbered.remove(&identity);
            }
            self.said.pop_front();
        }
        if self.is_empty() {
            self.entries.shrink_to_fit();
            self.numbered.shrink_to_fit();
            self.said.shrink_to_fit();
        }
    }

    /// Returns what was said, is kept no longer, and may be sent again, the oldest first.
    pub(crate) fn said(&self) -> impl Iterator<Item = &Said> {
        self.said.iter()
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

    /// Returns whether nothing is known of any entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.said.is_empty()
    }

    /// Returns the entries from `offset` on, with their offsets.
    pub(crate) fn from(&self, offset: u64) -> impl DoubleEndedIterator<Item = (u64, &Parcel)> {
        let entries = self.entries.range(self.index(offset)..);
        entries.map(|kept| (kept.offset, &kept.parcel))
    }

    /// Returns at most `limit` entries and `bytes` bytes before `offset`, but `least` entries whatever their bytes are, the
    /// oldest first; and whether none are kept before them.
    pub(crate) fn before(
        &self,
        offset: u64,
        limit: usize,
        bytes: usize,
        least: usize,
    ) -> (Vec<Parcel>, bool) {
        let end = self.index(offset);
        let least = least.min(limit).min(end);
        let start = end - self.fitting(end, limit, bytes).max(least);
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
