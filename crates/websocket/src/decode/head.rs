//! The heads of frames, which may be divided.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;

use crate::Violation;
use crate::frame::HEAD;

/// A head, and the length of its payload.
pub(super) struct Head {
    pub(super) header: FrameHeader,
    pub(super) length: u64,
}

/// The bytes of a head that is not complete yet.
#[derive(Default)]
pub(super) struct HeadReader {
    bytes: [u8; HEAD],
    length: u8,
}

impl HeadReader {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes a head from the front of `input`, or all of `input` if the head goes on.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Violation> {
        if self.is_empty()
            && let Some((head, length)) = parse(input)?
        {
            *input = &input[length..];
            return Ok(Some(head));
        }
        let had = usize::from(self.length);
        let taken = input.len().min(HEAD - had);
        let end = had + taken;
        self.bytes[had..end].copy_from_slice(&input[..taken]);
        let Some((head, length)) = parse(&self.bytes[..end])? else {
            // What is still incomplete with the most bytes of a head does not exist.
            debug_assert_eq!(taken, input.len());
            self.length = end as u8;
            *input = &[];
            return Ok(None);
        };
        *input = &input[length - had..];
        self.length = 0;
        Ok(Some(head))
    }
}

/// Parses the head at the start of `bytes`. Returns it and its length; `None` if it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Violation> {
    let mut cursor = Cursor::new(bytes);
    // Reading from memory fails for the opcode alone.
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Opcode)?;
    let Some((header, length)) = parsed else {
        return Ok(None);
    };
    let taken = cursor.position() as usize;
    if length >> 63 != 0 || taken != header.len(length) {
        return Err(Violation::Length);
    }
    Ok(Some((Head { header, length }, taken)))
}
