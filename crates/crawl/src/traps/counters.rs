//! Counts by key in bounded memory, whose changes a store can follow.

use std::collections::{HashMap, HashSet};

/// How often each key was counted. When there are too many keys, those that have counted least are forgotten until half of
/// them are left, so keys that are counted often stay. No count is lowered.
#[derive(Debug)]
pub(super) struct Counters {
    counts: HashMap<u64, u32>,
    most: usize,
    changed: HashSet<u64>,
}

impl Counters {
    pub(super) fn new(most: usize, counted: impl IntoIterator<Item = (u64, u32)>) -> Counters {
        let counts = counted.into_iter().filter(|&(_, count)| count > 0);
        Counters {
            counts: counts.collect(),
            most,
            changed: HashSet::new(),
        }
    }

    /// Counts a key, and returns whether it has been counted more than `most` times now. A key that has is
    /// counted no further.
    pub(super) fn exceeds(&mut self, key: u64, most: u32) -> bool {
        if self.counts.len() >= self.most && !self.counts.contains_key(&key) {
            self.forget();
        }
        let count = self.counts.entry(key).or_default();
        if *count >= most {
            return true;
        }
        *count += 1;
        self.changed.insert(key);
        false
    }

    fn forget(&mut self) {
        let mut least = 1;
        while self.counts.len() > self.most / 2 {
            let gone = self.counts.extract_if(|_, count| *count <= least);
            self.changed.extend(gone.map(|(key, _)| key));
            least *= 2;
        }
    }

    pub(super) fn changes(&mut self) -> Vec<(u64, u32)> {
        let count = |key| self.counts.get(&key).copied().unwrap_or(0);
        self.changed.drain().map(|key| (key, count(key))).collect()
    }
}

/// Hashes what is counted, in the same way in every run of every version: FNV-1a of 64 bits.
pub(super) fn hash(kind: &str, host: &str, text: &str) -> u64 {
    let parts = [kind, host, text].into_iter();
    let bytes = parts.flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{Counters, hash};

    #[test]
    fn memory_is_bounded_and_what_counts_often_stays() {
        let mut counters = Counters::new(100, []);
        for round in 0..10_000u64 {
            counters.exceeds(u64::MAX, 1 << 30);
            counters.exceeds(round, 10);
            assert!(counters.counts.len() <= 100);
        }
        assert!(counters.counts.contains_key(&u64::MAX));
    }

    #[test]
    fn a_limit_holds_with_many_other_keys() {
        let mut counters = Counters::new(1_000, []);
        let passes = (0..100_000u64).filter(|&other| {
            counters.exceeds(other, 10);
            !counters.exceeds(u64::MAX, 300)
        });
        assert_eq!(passes.count(), 300);
    }

    #[test]
    fn changes_rebuild_the_counts() {
        let mut counters = Counters::new(50, []);
        let mut store = std::collections::HashMap::new();
        for round in 0..1_000u64 {
            counters.exceeds(round % 73, 5);
            if round % 7 == 0 {
                store.extend(counters.changes());
            }
        }
        store.extend(counters.changes());
        let again = Counters::new(50, store);
        assert_eq!(again.counts, counters.counts);
        assert!(counters.changes().is_empty());
    }

    #[test]
    fn hashes_are_those_of_fnv() {
        // Of "a", 0xff, 0xff, "b", 0xff; what a store has kept must stay true.
        assert_ne!(hash("a", "", "b"), hash("a", "b", ""));
        assert_eq!(hash("", "", ""), {
            let mut hash = 0xcbf2_9ce4_8422_2325u64;
            for _ in 0..3 {
                hash = (hash ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
            }
            hash
        });
    }
}
