//! Decompressors.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use crate::Violation;

/// The most decompressors that a thread keeps while no message needs them.
const SPARE: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<Decompress>> = const { RefCell::new(Vec::new()) };
}

/// A decompressor, which goes back to the thread's when it is dropped.
pub(crate) struct Inflater(Option<Decompress>);

impl Inflater {
    /// Takes one of the thread's spare ones, or makes one. Its window is the largest, so that it fits any peer.
    pub(crate) fn take() -> Inflater {
        let spare = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        Inflater(Some(spare.unwrap_or_else(|| Decompress::new(false))))
    }

    /// Decompresses a part of a message behind `out`, which gets at most `limit` bytes.
    pub(crate) fn inflate(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Violation> {
        let Some(inflate) = &mut self.0 else {
            unreachable!("taken in drop only")
        };
        loop {
            if out.len() == out.capacity() {
                // One byte over the limit tells that there is more.
                let most = limit.saturating_add(1) - out.len();
                out.reserve_exact(most.min(out.len().max(4 * input.len()).max(256)));
            }
            let (taken, had) = (inflate.total_in(), out.len());
            let status = inflate.decompress_vec(input, out, FlushDecompress::Sync);
            let status = status.map_err(|_| Violation::Deflate)?;
            if out.len() > limit {
                return Err(Violation::TooLarge);
            }
            let taken = (inflate.total_in() - taken) as usize;
            input = &input[taken..];
            if status == Status::StreamEnd {
                // The peer has ended its stream, and may begin another one in the same message.
                inflate.reset(false);
            } else if taken == 0 && out.len() == had && !input.is_empty() {
                return Err(Violation::Deflate);
            }
            // With space left, nothing is held back.
            if input.is_empty() && (out.len() < out.capacity() || status == Status::StreamEnd) {
                return Ok(());
            }
        }
    }

    /// Ends a message.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<(), Violation> {
        self.inflate(&TAIL, out, limit)
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        let Some(mut inflate) = self.0.take() else {
            return;
        };
        // A thread that is ending has no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < SPARE {
                inflate.reset(false);
                pool.push(inflate);
            }
        });
    }
}
