//! The bytes that clients send: one endless wave, which each client enters at a different offset.
//!
//! ```text
//!   wave      ├──────── PERIOD ────────┼──────── PERIOD ──────── ⋯
//!   client 0  ├─ msg ─┼─ msg ─┼─ ⋯
//!   client 1          ├─ msg ─┼─ msg ─┼─ ⋯
//! ```
//!
//! A comparison with a slice of the wave, which is in the cache already, notices a message that belongs
//! to another client, or that is another one of the same client.

/// A prime, so that hardly any message size divides it, and consecutive messages differ.
const PERIOD: usize = 4093;

/// The most bytes that one call sends or receives.
const CHUNK: usize = 256 << 10;

pub(super) struct Wave {
    /// One period and the start of the next, so that a chunk can begin anywhere in the period.
    bytes: Vec<u8>,
    chunk: usize,
}

impl Wave {
    /// Creates the wave for slices of at most `most` bytes, or of at most 256 KiB if that is less.
    pub(super) fn new(most: usize) -> Wave {
        let chunk = most.clamp(1, CHUNK);
        // A xorshift generator; any fixed bytes without repetition would do.
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        for at in 0..chunk {
            bytes.push(bytes[at]);
        }
        Wave { bytes, chunk }
    }

    pub(super) fn chunk(&self) -> usize {
        self.chunk
    }

    /// Returns the offset at which the client of this index enters; different for the first 4,093.
    pub(super) fn phase(index: usize) -> u64 {
        (index % PERIOD * 131 % PERIOD) as u64
    }

    /// Returns `length` bytes from `offset` on; at most a chunk.
    pub(super) fn at(&self, offset: u64, length: usize) -> &[u8] {
        let start = (offset % PERIOD as u64) as usize;
        &self.bytes[start..start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wave_continues_across_periods_and_differs_by_phase() {
        let wave = Wave::new(64);
        for place in [0, 1, 4092, 4093, u64::from(u32::MAX) * 64] {
            let whole = wave.at(place, 64).to_vec();
            let parts = [wave.at(place, 13), wave.at(place + 13, 51)].concat();
            assert_eq!(whole, parts);
            assert_ne!(whole, wave.at(place + 64, 64));
        }
        let mut phases: Vec<u64> = (0..PERIOD).map(Wave::phase).collect();
        phases.sort_unstable();
        phases.dedup();
        assert_eq!(phases.len(), PERIOD);
    }

    #[test]
    fn a_chunk_may_begin_at_the_end_of_the_period() {
        for most in [1, PERIOD, usize::MAX] {
            let wave = Wave::new(most);
            assert_eq!(wave.at(4092, wave.chunk()).len(), wave.chunk());
        }
    }
}
