//! Chunks: received bytes in a buffer of the thread's pool.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::net::RecvFlags;

/// How many bytes a chunk of the pool holds. Large, so that most reads are short, and a short read
/// says that nothing is left to read.
const SIZE: usize = 64 * 1024;

/// A cache line. The kernel copies eight times slower to a buffer that starts within one, where the
/// processor copies by microcode (`fsrm`).
const ALIGN: usize = 64;

/// Buffers a thread keeps for its next reads; what is touched of them is what was read.
const KEPT: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Memory of a cache line's alignment that is nobody else's. Its size stands in the line before it, so
/// that who waits with a chunk in hand has one word for both.
struct Buffer(NonNull<u8>);

// SAFETY: it owns its memory, which any thread may write and free.
unsafe impl Send for Buffer {}
// SAFETY: a shared reference allows nothing but reading.
unsafe impl Sync for Buffer {}

impl Buffer {
    fn layout(size: usize) -> Layout {
        match Layout::from_size_align(ALIGN + size, ALIGN) {
            Ok(layout) => layout,
            Err(_) => unreachable!("a slice of that length exists, or it is SIZE"),
        }
    }

    fn new(size: usize) -> Buffer {
        let layout = Buffer::layout(size);
        // SAFETY: the layout's size is not zero.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the first line is there, and aligned for more than a number.
        unsafe {
            start.cast::<usize>().write(size);
            Buffer(start.add(ALIGN))
        }
    }

    fn size(&self) -> usize {
        // SAFETY: written in `new`, and nowhere else.
        unsafe { self.0.sub(ALIGN).cast::<usize>().read() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let layout = Buffer::layout(self.size());
        // SAFETY: allocated in `new`, with this layout.
        unsafe { dealloc(self.0.sub(ALIGN).as_ptr(), layout) }
    }
}

/// Bytes that were received. Dropping it gives its buffer to the next read; a connection that waits
/// holds none.
///
/// ```
/// # use switchboard_driver::Chunk;
/// let chunk = Chunk::from(&b"hello"[..]);
/// assert_eq!(&chunk[1..3], b"el");
/// ```
pub struct Chunk {
    /// Taken in drop only.
    buffer: Option<Buffer>,
    start: u32,
    /// So many bytes of the buffer, up to here, have been written.
    end: u32,
}

impl Chunk {
    /// One without bytes, of the thread's pool.
    pub fn empty() -> Chunk {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        Chunk {
            buffer: Some(pooled.unwrap_or_else(|| Buffer::new(SIZE))),
            start: 0,
            end: 0,
        }
    }

    fn buffer(&self) -> &Buffer {
        match &self.buffer {
            Some(buffer) => buffer,
            None => unreachable!("taken in drop only"),
        }
    }

    /// Room for more bytes, behind those that it holds.
    fn space(&mut self) -> &mut [MaybeUninit<u8>] {
        let (start, size) = (self.buffer().0, self.buffer().size());
        let from = start.cast::<MaybeUninit<u8>>();
        // SAFETY: the rest of the buffer, which is this chunk's own; its bytes need not be written.
        unsafe {
            let from = from.add(self.end as usize).as_ptr();
            std::slice::from_raw_parts_mut(from, size - self.end as usize)
        }
    }

    /// One `recv(2)` behind what it holds; says how many bytes came.
    ///
    /// # Errors
    /// The system's.
    pub fn recv(&mut self, fd: BorrowedFd<'_>, flags: RecvFlags) -> io::Result<usize> {
        let ((bytes, _), _) = rustix::net::recv(fd, self.space(), flags)?;
        let length = bytes.len();
        self.end += length as u32;
        Ok(length)
    }

    /// Whether no room is left.
    pub fn is_full(&self) -> bool {
        self.end as usize == self.buffer().size()
    }

    /// Takes bytes in if there is room for all of them.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.space().get_mut(..bytes.len()) else {
            return false;
        };
        room.write_copy_of_slice(bytes);
        self.end += bytes.len() as u32;
        true
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Moves bytes from its front to `buffer`, as many as fit; says how many.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let length = self.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self[..length]);
        self.start += length as u32;
        length
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let length = (self.end - self.start) as usize;
        // SAFETY: bytes up to `end` have been written, and `start` never passes it.
        unsafe {
            let from = self.buffer().0.add(self.start as usize);
            std::slice::from_raw_parts(from.as_ptr(), length)
        }
    }
}

impl From<&[u8]> for Chunk {
    fn from(bytes: &[u8]) -> Chunk {
        let mut chunk = Chunk::empty();
        if bytes.len() > SIZE {
            chunk = Chunk {
                buffer: Some(Buffer::new(bytes.len())),
                start: 0,
                end: 0,
            };
        }
        chunk.append(bytes);
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
        write!(f, "Chunk({} bytes)", self.len())
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let Some(buffer) = self.buffer.take().filter(|buffer| buffer.size() == SIZE) else {
            return;
        };
        // A thread at its end has no pool any more; then the buffer is simply freed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(buffer);
            }
        });
    }
}

/// A chunk's memory while the kernel has it.
#[cfg(any(target_os = "linux", target_os = "android"))]
impl Chunk {
    /// Where the kernel is to write, and how much.
    pub(crate) fn lend(&mut self) -> (*mut u8, u32) {
        let space = self.space();
        (space.as_mut_ptr().cast(), space.len() as u32)
    }

    /// # Safety
    /// The kernel must have written that many bytes where [`lend`](Chunk::lend) said, and must not
    /// write there again.
    pub(crate) unsafe fn take_back(&mut self, length: u32) {
        debug_assert!(length as usize <= self.space().len());
        self.end += length;
    }
}
