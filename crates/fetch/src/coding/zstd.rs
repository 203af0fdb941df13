//! `zstd` (RFC 8878), with windows of 8 MiB at the most (RFC 9659).

use std::io::{self, Read as _};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Step;

const MAGIC: u32 = 0xfd2f_b528;
const LARGEST_WINDOW: u64 = 8 << 20;

pub(super) struct Zstd {
    decoder: FrameDecoder,
    /// Input up to the end of the next header or block, which the decoder takes whole.
    held: Vec<u8>,
    next: Next,
    frames: usize,
}

/// What comes next in the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Frame,
    /// Blocks; whether a check sum follows the last one.
    Block(bool),
    /// Bytes of a frame for others.
    Skip(usize),
    /// Something that is no frame, behind one.
    Rest,
}

impl Default for Zstd {
    fn default() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        Zstd {
            decoder,
            held: Vec::new(),
            next: Next::Frame,
            frames: 0,
        }
    }
}

impl Zstd {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step> {
        let made = self.decoder.read(output)?;
        if made > 0 {
            return Ok(Step { used: 0, made });
        }
        self.held.extend_from_slice(input);
        let (mut at, mut made) = (0, 0);
        while made == 0 {
            let length = self.unit(at)?;
            if length == 0 {
                break;
            }
            at += length;
            made = self.decoder.read(output)?;
        }
        self.held.drain(..at);
        Ok(Step {
            used: input.len(),
            made,
        })
    }

    /// Takes a header or a block, if it is whole; returns its length.
    fn unit(&mut self, at: usize) -> io::Result<usize> {
        let bytes = &self.held[at..];
        match self.next {
            Next::Frame => self.frame(at),
            Next::Rest => Ok(bytes.len()),
            Next::Skip(left) => {
                let length = bytes.len().min(left);
                self.next = match left - length {
                    0 => Next::Frame,
                    left => Next::Skip(left),
                };
                Ok(length)
            }
            Next::Block(sum) => {
                let &[a, b, c, ..] = bytes else {
                    return Ok(0);
                };
                let head = u32::from_le_bytes([a, b, c, 0]);
                let (last, kind, size) = (head & 1 == 1, head >> 1 & 3, head as usize >> 3);
                let content = if kind == 1 { 1 } else { size };
                let length = 3 + content + if last && sum { 4 } else { 0 };
                if bytes.len() < length {
                    return Ok(0);
                }
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&bytes[..length], one);
                decoded.map_err(invalid)?;
                if last {
                    self.next = Next::Frame;
                    self.frames += 1;
                }
                Ok(length)
            }
        }
    }

    /// Takes the header of a frame, if it is whole; returns its length.
    fn frame(&mut self, at: usize) -> io::Result<usize> {
        let bytes = &self.held[at..];
        let &[a, b, c, d, ref rest @ ..] = bytes else {
            return Ok(0);
        };
        let magic = u32::from_le_bytes([a, b, c, d]);
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            let &[a, b, c, d, ..] = rest else {
                return Ok(0);
            };
            self.next = match u32::from_le_bytes([a, b, c, d]) as usize {
                0 => Next::Frame,
                length => Next::Skip(length),
            };
            return Ok(8);
        }
        if magic != MAGIC {
            if self.frames == 0 {
                return Err(invalid("it does not begin as zstd does"));
            }
            self.next = Next::Rest;
            return Ok(bytes.len());
        }
        let Some(descriptor) = rest.first() else {
            return Ok(0);
        };
        let single = descriptor >> 5 & 1 == 1;
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content = match descriptor >> 6 {
            0 => usize::from(single),
            size => 1 << size,
        };
        let length = 5 + usize::from(!single) + dictionary + content;
        if bytes.len() < length {
            return Ok(0);
        }
        self.decoder.reset(&bytes[..length]).map_err(invalid)?;
        self.next = Next::Block(descriptor >> 2 & 1 == 1);
        Ok(length)
    }

    pub(super) fn is_complete(&self) -> bool {
        match self.next {
            Next::Frame => self.frames > 0 && self.held.is_empty(),
            Next::Rest => true,
            Next::Block(_) | Next::Skip(_) => false,
        }
    }
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
