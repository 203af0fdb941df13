//! Received bytes in a pooled buffer.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::net::RecvFlags;

/// The bytes that a pooled chunk holds. Large, so that most reads are short: a short read proves that
/// nothing is left to read.
const SIZE: usize = 64 * 1024;

/// The length of a cache line. Where the processor copies by microcode (`fsrm`), the kernel copies
/// eight times slower to a buffer that does not start at one.
const ALIGN: usize = 64;

/// The number of buffers that a thread keeps for its next reads. Only the pages that bytes were
/// written to are resident.
const POOL_CAPACITY: usize = 64;

thread_local! {
    static POOL: Pool = const { Pool::new() };
}

/// The buffers that a thread keeps: a list through their headers, since these are read anyway.
struct Pool {
    first: Cell<Option<Buffer>>,
    length: Cell<usize>,
}

impl Pool {
    const fn new() -> Pool {
        Pool {
            first: Cell::new(None),
            length: Cell::new(0),
        }
    }

    #[inline]
    fn take(&self) -> Option<Buffer> {
        let mut buffer = self.first.take()?;
        self.first.set(buffer.header().next.take());
        self.length.set(self.length.get() - 1);
        Some(buffer)
    }

    /// Keeps a buffer, or frees it if there are enough.
    #[inline]
    fn keep(&self, mut buffer: Buffer) {
        if self.length.get() < POOL_CAPACITY {
            buffer.header().next = self.first.take();
            self.first.set(Some(buffer));
            self.length.set(self.length.get() + 1);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // One by one, so that a long list needs no deep stack.
        while let Some(buffer) = self.take() {
            drop(buffer);
        }
    }
}

/// An owned allocation, aligned to a cache line. Its [`Header`] is in the line before it, so that a buffer
/// is one word.
struct Buffer(NonNull<u8>);

struct Header {
    size: usize,
    /// The next buffer of the pool; none while the buffer is in use.
    next: Option<Buffer>,
}

// SAFETY: a buffer owns its memory, which any thread may write and free.
unsafe impl Send for Buffer {}
// SAFETY: a shared reference only allows reading.
unsafe impl Sync for Buffer {}

impl Buffer {
    fn layout(size: usize) -> Layout {
        match Layout::from_size_align(ALIGN + size, ALIGN) {
            Ok(layout) => layout,
            Err(_) => unreachable!("the size is SIZE or the length of a slice"),
        }
    }

    fn new(size: usize) -> Buffer {
        let layout = Buffer::layout(size);
        // SAFETY: the layout's size is not zero.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the first line is allocated, holds a header and is aligned for one.
        unsafe {
            start.cast::<Header>().write(Header { size, next: None });
            Buffer(start.add(ALIGN))
        }
    }

    #[inline]
    fn header(&mut self) -> &mut Header {
        // SAFETY: `new` wrote the header, and this buffer is borrowed exclusively.
        unsafe { self.0.sub(ALIGN).cast::<Header>().as_mut() }
    }

    #[inline]
    fn size(&self) -> usize {
        // SAFETY: `new` wrote the header, and nobody changes its size.
        unsafe { self.0.sub(ALIGN).cast::<Header>().as_ref().size }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let layout = Buffer::layout(self.size());
        // SAFETY: `new` allocated it with this layout.
        unsafe { dealloc(self.0.sub(ALIGN).as_ptr(), layout) }
    }
}

/// Received bytes in a pooled buffer.
///
/// A dropped chunk returns its buffer to the pool of the current thread, for the next read. A chunk
/// dereferences to its bytes.
///
/// ```
/// # use switchboard_driver::Chunk;
/// let chunk = Chunk::from(&b"hello"[..]);
/// assert_eq!(&chunk[1..3], b"el");
/// ```
pub struct Chunk {
    /// Taken in drop only.
    buffer: ManuallyDrop<Buffer>,
    start: u32,
    /// The end of the initialized part of the buffer.
    end: u32,
}

impl Chunk {
    /// Returns a chunk without bytes, from the thread's pool.
    #[inline]
    pub fn empty() -> Chunk {
        let pooled = POOL.try_with(Pool::take).ok().flatten();
        Chunk {
            buffer: ManuallyDrop::new(pooled.unwrap_or_else(|| Buffer::new(SIZE))),
            start: 0,
            end: 0,
        }
    }

    fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Returns the free space behind the bytes.
    fn space(&mut self) -> &mut [MaybeUninit<u8>] {
        let (start, size) = (self.buffer().0, self.buffer().size());
        let from = start.cast::<MaybeUninit<u8>>();
        // SAFETY: the range is the rest of the buffer, which this chunk owns; `MaybeUninit` allows
        // uninitialized bytes.
        unsafe {
            let from = from.add(self.end as usize).as_ptr();
            std::slice::from_raw_parts_mut(from, size - self.end as usize)
        }
    }

    /// Receives at most `most` bytes behind those it holds, with one `recv(2)`; returns their number. Blocks if
    /// the descriptor and the flags do.
    ///
    /// # Errors
    /// The system's error.
    pub fn recv(&mut self, fd: BorrowedFd<'_>, flags: RecvFlags, most: usize) -> io::Result<usize> {
        let space = self.space();
        let length = most.min(space.len());
        let ((bytes, _), _) = rustix::net::recv(fd, &mut space[..length], flags)?;
        let length = bytes.len();
        self.end += length as u32;
        Ok(length)
    }

    /// Reads at most `most` bytes of a file from `offset` on, behind those it holds, with one `pread(2)`;
    /// returns their number, 0 at the end of the file. Blocks while the bytes come from a disk.
    ///
    /// # Errors
    /// The system's error.
    ///
    /// ```
    /// use std::os::fd::AsFd;
    ///
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let mut chunk = switchboard_driver::Chunk::empty();
    /// assert_eq!(chunk.read_at(file.as_fd(), 1, 7)?, 7);
    /// assert_eq!(&*chunk, b"package");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_at(&mut self, file: BorrowedFd<'_>, offset: u64, most: usize) -> io::Result<usize> {
        let space = self.space();
        let length = most.min(space.len());
        let (bytes, _) = rustix::io::pread(file, &mut space[..length], offset)?;
        let length = bytes.len();
        self.end += length as u32;
        Ok(length)
    }

    /// Returns whether no space is left.
    pub fn is_full(&self) -> bool {
        self.end as usize == self.buffer().size()
    }

    /// Appends bytes if there is space for all of them; returns whether there was.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> bool {
        let Some(space) = self.space().get_mut(..bytes.len()) else {
            return false;
        };
        space.write_copy_of_slice(bytes);
        self.end += bytes.len() as u32;
        true
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Moves as many bytes as fit from the front to `buffer`; returns their number.
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
        // SAFETY: bytes up to `end` are initialized, and `start` never passes it.
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
                buffer: ManuallyDrop::new(Buffer::new(bytes.len())),
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
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the buffer is not used after this.
        let buffer = unsafe { ManuallyDrop::take(&mut self.buffer) };
        if buffer.size() == SIZE {
            // A thread that is ending has no pool any more; then the buffer is freed.
            let _ = POOL.try_with(|pool| pool.keep(buffer));
        }
    }
}

// Lending a chunk's memory to the kernel.
#[cfg(any(target_os = "linux", target_os = "android"))]
impl Chunk {
    /// Returns the address and the length of the free space, for the kernel to write to.
    pub(crate) fn lend(&mut self) -> (*mut u8, u32) {
        let space = self.space();
        (space.as_mut_ptr().cast(), space.len() as u32)
    }

    /// Adds `length` bytes that the kernel has written.
    ///
    /// # Safety
    /// The kernel must have written that many bytes to the address that [`lend`](Chunk::lend)
    /// returned, and must not write there again.
    pub(crate) unsafe fn take_back(&mut self, length: u32) {
        debug_assert!(length as usize <= self.space().len());
        self.end += length;
    }
}
