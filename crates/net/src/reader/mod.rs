//! Reading messages out of chunks.

pub(crate) mod frames;
pub(crate) mod lines;

use std::io;

use switchboard_runtime::Chunk;

use crate::stream::Stream;

/// The bytes of a connection that were received and not consumed.
///
/// Messages are read where they are, in the chunk. Only one that lies in several chunks is put together.
/// With nothing unread, nothing is held.
#[derive(Debug)]
struct Unread {
    stream: Stream,
    chunk: Option<Chunk>,
    /// How many bytes of the chunk are consumed, or moved to `joined`.
    at: usize,
    /// The beginning of a message whose end was not in its chunk.
    joined: Vec<u8>,
}

impl Unread {
    fn new(stream: Stream) -> Unread {
        Unread {
            stream,
            chunk: None,
            at: 0,
            joined: Vec::new(),
        }
    }

    /// Returns the unread bytes of the chunk.
    fn in_chunk(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&[], |chunk| &chunk[self.at..])
    }

    /// Returns all bytes that are known to be one message's beginning.
    fn start(&self) -> &[u8] {
        match self.joined.is_empty() {
            true => self.in_chunk(),
            false => &self.joined,
        }
    }

    /// Moves `count` bytes of the chunk to those that are put together.
    fn join(&mut self, count: usize) {
        let chunk = self
            .chunk
            .as_ref()
            .map_or(&[][..], |chunk| &chunk[self.at..]);
        self.joined.extend_from_slice(&chunk[..count]);
        self.advance(count);
    }

    /// Consumes a message of `count` bytes at the start.
    fn consume(&mut self, count: usize) {
        match self.joined.is_empty() {
            true => self.advance(count),
            false if count == 0 => {}
            // A connection that waits holds no buffer.
            false => self.joined = Vec::new(),
        }
    }

    fn advance(&mut self, count: usize) {
        self.at += count;
        if self.in_chunk().is_empty() {
            (self.chunk, self.at) = (None, 0);
        }
    }

    /// Joins what the chunk has, and waits for the next one; returns false at the end of input. Dropping the
    /// future loses nothing.
    async fn more(&mut self) -> io::Result<bool> {
        self.join(self.in_chunk().len());
        let chunk = self.stream.recv().await?;
        let more = !chunk.is_empty();
        if more {
            self.chunk = Some(chunk);
        }
        Ok(more)
    }

    /// Waits until `count` bytes are at the start; returns false if the input ends before that.
    async fn wait_for(&mut self, count: usize) -> io::Result<bool> {
        loop {
            if !self.joined.is_empty() {
                let missing = count.saturating_sub(self.joined.len());
                self.join(missing.min(self.in_chunk().len()));
            }
            if self.start().len() >= count {
                return Ok(true);
            }
            if !self.more().await? {
                return Ok(false);
            }
        }
    }

    /// Returns the connection and all unread bytes.
    fn into_parts(self) -> (Stream, Vec<u8>) {
        let mut unread = self.joined.clone();
        unread.extend_from_slice(self.in_chunk());
        (self.stream, unread)
    }
}

fn too_long(what: &str, max_length: usize) -> io::Error {
    let text = format!("a {what} is longer than {max_length} bytes");
    io::Error::new(io::ErrorKind::InvalidData, text)
}
