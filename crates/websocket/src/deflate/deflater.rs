//! Compressors.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};

use super::{MOST_BITS, TAIL};

/// The bits of the smallest window that a compressor has.
const LEAST_BITS: u8 = 9;

thread_local! {
    /// One for each size of a window.
    static POOL: RefCell<[Option<Compress>; 7]> = const { RefCell::new([const { None }; 7]) };
}

/// A compressor that keeps its window from one message to the next.
#[derive(Debug)]
pub(crate) struct Deflater(Compress);

impl Deflater {
    /// Returns a compressor with a window of 2^`bits` bytes; `None` if there is none that small.
    pub(crate) fn new(bits: u8) -> Option<Deflater> {
        (LEAST_BITS..=MOST_BITS).contains(&bits).then(|| {
            let level = Compression::default();
            Deflater(Compress::new_with_window_bits(level, false, bits))
        })
    }

    /// Compresses a message.
    pub(crate) fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        // A compressor writes nothing for a second flush in a row. This is an empty block (RFC 7692, 7.2.3.6).
        if message.is_empty() {
            return vec![0];
        }
        let Deflater(compress) = self;
        let mut out = Vec::with_capacity(message.len() / 2 + 64);
        let begin = compress.total_in();
        loop {
            let taken = (compress.total_in() - begin) as usize;
            let flush = FlushCompress::Sync;
            let Ok(_) = compress.compress_vec(&message[taken..], &mut out, flush) else {
                unreachable!("a compressor takes any bytes")
            };
            let taken = (compress.total_in() - begin) as usize;
            // With space left, all is flushed.
            if taken == message.len() && out.len() < out.capacity() {
                break;
            }
            out.reserve(message.len() / 2 + 64);
        }
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len().saturating_sub(TAIL.len()));
        out
    }

    /// Compresses a message with the thread's compressor for a window of 2^`bits` bytes, which keeps nothing of it.
    /// `None` if no compressor has a window that small.
    pub(crate) fn deflate_alone(message: &[u8], bits: u8) -> Option<Vec<u8>> {
        let at = usize::from(bits.checked_sub(LEAST_BITS)?);
        let spare = POOL.try_with(|pool| pool.borrow_mut().get_mut(at).and_then(Option::take));
        let spare = spare.ok().flatten().map(Deflater);
        let mut deflater = spare.or_else(|| Deflater::new(bits))?;
        let out = deflater.deflate(message);
        let Deflater(mut compress) = deflater;
        compress.reset();
        let _ = POOL.try_with(|pool| pool.borrow_mut()[at] = Some(compress));
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::Inflater;

    #[test]
    fn each_window_gives_the_message_back() {
        let mut random = fastrand::Rng::with_seed(1);
        for bits in 9..=15 {
            for length in [0, 1, 2, 63, 64, 65, 127, 1000, 40_000, 200_000] {
                let message: Vec<u8> = (0..length).map(|_| random.u8(..8)).collect();
                let deflated = Deflater::deflate_alone(&message, bits).unwrap();
                let mut out = Vec::new();
                let mut inflater = Inflater::take();
                inflater.inflate(&deflated, &mut out, length).unwrap();
                inflater.finish(&mut out, length).unwrap();
                assert_eq!(out, message, "{bits} {length}");
            }
        }
        assert_eq!(Deflater::deflate_alone(b"", 8), None);
    }
}
