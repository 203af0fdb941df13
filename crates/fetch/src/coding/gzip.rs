//! `gzip` (RFC 1952): one member or several, and whatever follows them.

use std::io;

use flate2::{Crc, Decompress};

use super::Step;
use super::deflate::inflate_step;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The most bytes of a header, which may hold a name and a comment of any length.
const MOST_HEADER: usize = 256 * 1024;

pub(super) struct Gzip {
    state: State,
    /// The bytes of a header or of a trailer that is not whole yet.
    held: Vec<u8>,
    /// The header is within a text, whose end is a zero.
    in_text: bool,
    inflate: Decompress,
    crc: Crc,
    members: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Body,
    Trailer,
    /// Behind a member: zeros that fill a block, another member, or something else.
    Between,
    /// Something else, which gzip itself ignores too.
    Rest,
}

impl Default for Gzip {
    fn default() -> Self {
        Gzip {
            state: State::Header,
            held: Vec::new(),
            in_text: false,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            members: 0,
        }
    }
}

impl Gzip {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step> {
        let skipped = |used| Ok(Step { used, made: 0 });
        match self.state {
            State::Header => skipped(self.header(input)?),
            State::Body => {
                let (step, ended) = inflate_step(&mut self.inflate, input, output)?;
                self.crc.update(&output[..step.made]);
                if ended {
                    self.state = State::Trailer;
                    // A stream may end without taking a byte, and is gone on with at once all the same.
                    return match step {
                        Step { used: 0, made: 0 } => self.step(input, output),
                        step => Ok(step),
                    };
                }
                Ok(step)
            }
            State::Trailer => skipped(self.trailer(input)?),
            State::Between => {
                let zeros = input.iter().take_while(|byte| **byte == 0).count();
                if zeros < input.len() {
                    self.state = State::Header;
                    self.inflate.reset(false);
                    self.crc.reset();
                    if zeros == 0 {
                        return self.step(input, output);
                    }
                }
                skipped(zeros)
            }
            State::Rest => skipped(input.len()),
        }
    }

    /// Takes bytes up to the end of the header; returns their number.
    fn header(&mut self, input: &[u8]) -> io::Result<usize> {
        let before = self.held.len();
        self.held.extend_from_slice(input);
        let magic = self.held.len().min(MAGIC.len());
        if self.held[..magic] != MAGIC[..magic] {
            if self.members == 0 {
                return Err(invalid("it does not begin as gzip does"));
            }
            self.held.clear();
            self.state = State::Rest;
            return Ok(input.len());
        }
        // A long text is looked at as a whole once it has ended, and not again with each byte of it.
        let header = match self.in_text && !input.contains(&0) {
            true => Header::InText,
            false => Header::at_start_of(&self.held)?,
        };
        self.in_text = matches!(header, Header::InText);
        match header {
            Header::Whole(length) => {
                self.held.clear();
                self.state = State::Body;
                Ok(length - before)
            }
            _ if self.held.len() > MOST_HEADER => Err(invalid("its header does not end")),
            Header::Short | Header::InText => Ok(input.len()),
        }
    }

    /// Takes bytes up to the end of the trailer, and compares it; returns their number.
    fn trailer(&mut self, input: &[u8]) -> io::Result<usize> {
        let used = input.len().min(8 - self.held.len());
        self.held.extend_from_slice(&input[..used]);
        if let &[a, b, c, d, e, f, g, h] = &self.held[..] {
            let sum = u32::from_le_bytes([a, b, c, d]);
            let length = u32::from_le_bytes([e, f, g, h]);
            if (sum, length) != (self.crc.sum(), self.crc.amount()) {
                return Err(invalid("its check sum or its length is wrong"));
            }
            self.held.clear();
            self.members += 1;
            self.state = State::Between;
        }
        Ok(used)
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Between | State::Rest)
    }
}

/// What some bytes have of the header that they begin with.
enum Header {
    /// The header is whole, and has this many bytes.
    Whole(usize),
    /// The header needs more bytes, whatever they are.
    Short,
    /// The header needs a zero, which ends the text that has begun.
    InText,
}

impl Header {
    fn at_start_of(bytes: &[u8]) -> io::Result<Header> {
        let &[_, _, method, flags, ..] = bytes else {
            return Ok(Header::Short);
        };
        if method != 8 || flags & 0xe0 != 0 {
            return Err(invalid("its header is of another version"));
        }
        // The magic number, the method, flags, a time, and two more about the system.
        let mut at = 10;
        if flags & 4 != 0 {
            let Some(length) = bytes.get(at..at + 2) else {
                return Ok(Header::Short);
            };
            at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
        }
        for text in [8, 16] {
            if flags & text != 0 {
                let Some(rest) = bytes.get(at..) else {
                    return Ok(Header::Short);
                };
                let Some(end) = rest.iter().position(|byte| *byte == 0) else {
                    return Ok(Header::InText);
                };
                at += end + 1;
            }
        }
        if flags & 2 != 0 {
            at += 2;
        }
        Ok(match at <= bytes.len() {
            true => Header::Whole(at),
            false => Header::Short,
        })
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
