//! Chunks: received bytes in a buffer of the thread's pool.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

/// How many bytes a chunk holds at most. Large, so that most reads are short, and a short read says
/// that nothing is left to read.
pub(crate) const SIZE: usize = 64 * 1024;

/// Buffers a thread keeps for its next reads; what is touched of them is what was read.
const KEPT: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that were received. Dropping it gives its buffer to the next read; a connection that waits
/// holds none.
///
/// ```
/// # use switchboard_flow::Chunk;
/// let chunk = Chunk::from(&b"hello"[..]);
/// assert_eq!(&chunk[1..3], b"el");
/// ```
pub struct Chunk {
    buffer: Box<[u8]>,
    length: usize,
}

impl Chunk {
    pub(crate) fn empty() -> Chunk {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        Chunk {
            buffer: pooled.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice()),
            length: 0,
        }
    }

    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    pub(crate) fn set_len(&mut self, length: usize) {
        debug_assert!(length <= self.buffer.len());
        self.length = length;
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl From<&[u8]> for Chunk {
    fn from(bytes: &[u8]) -> Chunk {
        if bytes.len() > SIZE {
            return Chunk {
                buffer: bytes.into(),
                length: bytes.len(),
            };
        }
        let mut chunk = Chunk::empty();
        chunk.buffer[..bytes.len()].copy_from_slice(bytes);
        chunk.length = bytes.len();
        chunk
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.length)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.len() == SIZE {
            // A thread at its end has no pool any more; then the buffer is simply freed.
            let _ = POOL.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < KEPT {
                    pool.push(buffer);
                }
            });
        }
    }
}
