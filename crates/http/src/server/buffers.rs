//! The bytes that a connection reads and writes while it serves. An idle one has none.

use std::cell::RefCell;

use bytes::Bytes;
use switchboard_net::Chunk;

/// The buffers for answers that a thread keeps, and the largest capacity of one.
const KEPT: usize = 256;
const KEPT_CAPACITY: usize = 32 * 1024;
/// The least bytes of a body that stay in their chunk.
const SHARED: usize = 8 * 1024;
/// The capacity of a new one.
const CAPACITY: usize = 512;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes to be sent, in a buffer of the thread's.
#[derive(Default)]
pub(crate) struct Output(Vec<u8>);

impl Output {
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.0.capacity() == 0 {
            let kept = BUFFERS.try_with(|buffers| buffers.borrow_mut().pop());
            let kept = kept.ok().flatten();
            self.0 = kept.unwrap_or_else(|| Vec::with_capacity(CAPACITY));
        }
        &mut self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives the buffer back.
    #[inline]
    pub(crate) fn release(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        if buffer.capacity() == 0 || buffer.capacity() > KEPT_CAPACITY {
            return;
        }
        buffer.clear();
        let _ = BUFFERS.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            if buffers.len() < KEPT {
                buffers.push(buffer);
            }
        });
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.release();
    }
}

/// Bytes that were received: none at first, those of the last chunk, or a copy where a head came in pieces.
#[derive(Default)]
pub(crate) struct Input {
    chunk: Option<Chunk>,
    copy: Vec<u8>,
    /// The bytes that are done with.
    at: usize,
    /// How many bytes were there when a caller was last told to look for a head.
    searched: usize,
    /// Whether the client has ended its direction.
    pub(crate) ended: bool,
}

impl Input {
    pub(crate) fn new(chunk: Chunk) -> Input {
        Input {
            chunk: Some(chunk),
            copy: Vec::new(),
            at: 0,
            searched: 0,
            ended: false,
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.chunk {
            Some(chunk) => &chunk[self.at..],
            None => &self.copy[self.at..],
        }
    }

    #[inline]
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.at += bytes;
        self.searched = 0;
    }

    /// Consumes bytes and returns them. A large part that ends its chunk is not copied.
    pub(crate) fn take(&mut self, length: usize) -> Bytes {
        let end = self.at + length;
        if length >= SHARED
            && let Some(chunk) = self.chunk.take_if(|chunk| chunk.len() == end)
        {
            let bytes = Bytes::from_owner(chunk).slice(self.at..);
            self.copy = Vec::new();
            self.at = 0;
            return bytes;
        }
        let bytes = Bytes::copy_from_slice(&self.bytes()[..length]);
        self.consume(length);
        bytes
    }

    /// Consumes the ends of lines that some clients send behind a body, and returns how many there were.
    #[inline]
    pub(crate) fn skip_empty_lines(&mut self) -> usize {
        let mut lines = 0;
        while self.bytes().starts_with(b"\r\n") {
            self.consume(2);
            lines += 1;
        }
        lines
    }

    /// Frees the chunk, since the connection begins to wait.
    pub(crate) fn release(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.copy = chunk[self.at..].to_vec();
            self.at = 0;
        } else if self.at > 0 {
            self.copy.drain(..self.at);
            self.at = 0;
        }
    }

    /// Adds bytes behind those that are left. Returns whether a head of at most `limit` bytes may be whole, or
    /// malformed, with them. A caller that looks for it only then looks at each byte a few times only, however
    /// slowly they come.
    #[must_use]
    pub(crate) fn push(&mut self, chunk: Chunk, limit: usize) -> bool {
        let before = self.bytes().len();
        if before == 0 {
            self.copy = Vec::new();
            self.at = 0;
            self.chunk = Some(chunk);
            self.searched = 0;
        } else {
            self.release();
            self.copy.extend_from_slice(&chunk);
        }
        let bytes = self.bytes();
        let new = &bytes[before.saturating_sub(2)..];
        let searches = bytes.len() >= 2 * self.searched
            || bytes.len() > limit
            || new.windows(2).any(|pair| pair == b"\n\n")
            || new.windows(3).any(|three| three == b"\n\r\n");
        if searches {
            self.searched = bytes.len();
        }
        searches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_in_order_while_they_are_consumed_and_added() {
        let mut input = Input::new(Chunk::from(&b"abc"[..]));
        input.consume(1);
        assert!(input.push(Chunk::from(&b"de"[..]), 9));
        assert_eq!(input.bytes(), b"bcde");
        input.consume(3);
        input.release();
        assert!(input.push(Chunk::from(&b"f"[..]), 9));
        assert_eq!(input.bytes(), b"ef");
        input.consume(2);
        assert!(input.push(Chunk::from(&b"g"[..]), 9));
        assert_eq!(input.bytes(), b"g");
    }

    #[test]
    fn a_head_that_comes_by_the_byte_is_searched_at_its_end_and_rarely_before() {
        let head = format!(
            "GET / HTTP/1.1\r\nhost: here\r\na: {}\r\n\r\n",
            "x".repeat(5_000)
        );
        let mut input = Input::new(Chunk::from(&head.as_bytes()[..1]));
        let mut searches = Vec::new();
        for at in 1..head.len() {
            if input.push(Chunk::from(&head.as_bytes()[at..=at]), 64 * 1024) {
                searches.push(at + 1);
            }
        }
        assert!(searches.len() < 16);
        assert_eq!(searches.last(), Some(&head.len()));
    }
}
