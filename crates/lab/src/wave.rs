//! The bytes that clients send: one endless wave, which each client enters at a place of its own.
//!
//! ```text
//!   wave      ├──────── PERIOD ────────┼──────── PERIOD ──────── ⋯
//!   client 0  ├─ msg ─┼─ msg ─┼─ ⋯
//!   client 1          ├─ msg ─┼─ msg ─┼─ ⋯
//! ```
//!
//! So an answer that belongs to another client, or to another message of the same one, is told from
//! the right one by a comparison with a slice that is in the cache already.

/// A prime, so that few sizes of a message divide it: the next message is another one.
const PERIOD: usize = 4093;

/// The most that is sent or received at once.
const CHUNK: usize = 256 << 10;

pub(crate) struct Wave {
    /// A period and a chunk, so that a chunk can begin anywhere in the period.
    bytes: Vec<u8>,
    chunk: usize,
}

impl Wave {
    /// Lends chunks of `most` bytes, if that isn't too many.
    pub(crate) fn new(most: usize) -> Wave {
        let chunk = most.clamp(1, CHUNK);
        // A xorshift generator: any fixed bytes that don't repeat themselves would do.
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

    pub(crate) fn chunk(&self) -> usize {
        self.chunk
    }

    /// Where the `index`th client enters; the first 4,093 each have a place of their own.
    pub(crate) fn phase(index: usize) -> u64 {
        (index % PERIOD * 131 % PERIOD) as u64
    }

    /// The bytes from `place` on, at most a chunk.
    pub(crate) fn at(&self, place: u64, length: usize) -> &[u8] {
        let start = (place % PERIOD as u64) as usize;
        &self.bytes[start..start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_for_ever_and_differs() {
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
