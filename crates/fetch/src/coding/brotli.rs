//! `br` (RFC 7932).

use std::io;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::Step;

pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    total: usize,
    ended: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        // Strict: windows are 16 MiB at the most, as the standard says.
        let alloc = StandardAlloc::default;
        Brotli {
            state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
            total: 0,
            ended: false,
        }
    }
}

impl Brotli {
    /// Decodes; what follows the end of the stream is ignored.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step> {
        if self.ended {
            return Ok(Step {
                used: input.len(),
                made: 0,
            });
        }
        let (mut left, mut used) = (input.len(), 0);
        let (mut space, mut made) = (output.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut used,
            input,
            &mut space,
            &mut made,
            output,
            &mut self.total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultFailure => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is no brotli",
                ));
            }
            BrotliResult::ResultSuccess => self.ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(Step { used, made })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.ended
    }
}
