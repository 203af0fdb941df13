//! `deflate`: with zlib's wrapper as the standard says, and without it as some servers send it.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use super::Step;

#[derive(Default)]
pub(super) struct Deflate {
    /// The first two bytes, which tell the forms apart.
    first: Vec<u8>,
    /// `None` before they are known.
    inflate: Option<Decompress>,
    ended: bool,
}

impl Deflate {
    /// Decodes; what follows the end of the stream is ignored.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step> {
        if self.ended {
            return Ok(Step {
                used: input.len(),
                made: 0,
            });
        }
        if let Some(inflate) = &mut self.inflate {
            let (step, ended) = inflate_step(inflate, input, output)?;
            self.ended = ended;
            return Ok(step);
        }
        let used = input.len().min(2 - self.first.len());
        self.first.extend_from_slice(&input[..used]);
        let &[first, second] = &self.first[..] else {
            return Ok(Step { used, made: 0 });
        };
        let inflate = self.inflate.insert(Decompress::new(is_zlib(first, second)));
        let (step, ended) = inflate_step(inflate, &self.first, output)?;
        if step.used < self.first.len() && !ended {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.ended = ended;
        Ok(Step {
            used,
            made: step.made,
        })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.ended
    }
}

/// Returns whether two bytes are zlib's header: deflate, a window that exists, and the check of both.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

/// Inflates as far as there is input and space; returns also whether the stream has ended.
pub(super) fn inflate_step(
    inflate: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
) -> io::Result<(Step, bool)> {
    let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, output, FlushDecompress::None)?;
    let step = Step {
        used: (inflate.total_in() - before_in) as usize,
        made: (inflate.total_out() - before_out) as usize,
    };
    Ok((step, status == Status::StreamEnd))
}
