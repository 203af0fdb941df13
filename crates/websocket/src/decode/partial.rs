//! A message of which a part has come.

use bytes::Bytes;

use crate::deflate::Inflater;
use crate::frame::{Kind, apply};
use crate::{Message, Utf8Bytes, Violation};

/// How much of a compressed payload is unmasked at once.
const PIECE: usize = 4096;

/// A message that has begun.
pub(super) struct Partial {
    kind: Kind,
    is_compressed: bool,
    bytes: Vec<u8>,
    /// The number of bytes that are known to be UTF-8.
    checked: usize,
    /// Borrowed from the thread for the time of the message.
    inflater: Option<Inflater>,
}

impl Partial {
    pub(super) fn new(kind: Kind, is_compressed: bool) -> Partial {
        Partial {
            kind,
            is_compressed,
            bytes: Vec::new(),
            checked: 0,
            inflater: None,
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        !self.is_compressed
    }

    /// Returns the number of bytes that the message has already.
    pub(super) fn received(&self) -> usize {
        self.bytes.len()
    }

    /// Takes a piece of a frame, behind which `remaining` bytes of the frame follow.
    pub(super) fn take(
        &mut self,
        piece: &[u8],
        remaining: u64,
        mask: &mut [u8; 4],
        limit: usize,
        window: &mut Option<Box<Inflater>>,
    ) -> Result<(), Violation> {
        if self.is_compressed {
            let mut space = [0; PIECE];
            for piece in piece.chunks(PIECE) {
                let bytes = &mut space[..piece.len()];
                bytes.copy_from_slice(piece);
                apply(bytes, mask);
                let inflater = inflater(&mut self.inflater, window);
                inflater.inflate(bytes, &mut self.bytes, limit)?;
            }
            return Ok(());
        }
        // As much as the frame needs, but no more than twice of what has come: a peer that only says that it sends
        // much gets no memory for it.
        let needed = usize::try_from(remaining).unwrap_or(usize::MAX);
        let had = self.bytes.len();
        let more = piece.len() + needed.min(had + piece.len());
        if self.bytes.capacity() - had < piece.len() {
            self.bytes.reserve_exact(more);
        }
        self.bytes.extend_from_slice(piece);
        apply(&mut self.bytes[had..], mask);
        Ok(())
    }

    /// Checks whether what has come can be the start of a text.
    pub(super) fn check(&mut self) -> Result<(), Violation> {
        if self.kind == Kind::Binary {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_some() => return Err(Violation::Utf8),
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }

    /// Returns the message, all of whose bytes have come.
    pub(super) fn finish(
        mut self,
        limit: usize,
        window: &mut Option<Box<Inflater>>,
    ) -> Result<Message, Violation> {
        if self.is_compressed {
            inflater(&mut self.inflater, window).finish(&mut self.bytes, limit)?;
            self.bytes.shrink_to_fit();
        }
        match self.kind {
            Kind::Binary => Ok(Message::Binary(Bytes::from(self.bytes))),
            Kind::Text => match String::from_utf8(self.bytes) {
                Ok(text) => Ok(Message::Text(Utf8Bytes::from(text))),
                Err(_) => Err(Violation::Utf8),
            },
        }
    }
}

/// Returns what decompresses the message: the connection's own, or one that is borrowed from the thread.
fn inflater<'a>(
    borrowed: &'a mut Option<Inflater>,
    window: &'a mut Option<Box<Inflater>>,
) -> &'a mut Inflater {
    match window {
        Some(window) => window,
        None => borrowed.get_or_insert_with(Inflater::take),
    }
}
