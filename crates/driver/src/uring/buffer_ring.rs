//! Provided buffers: the kernel picks one when bytes arrive, so that a waiting socket holds none.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::ring::Ring;
use crate::Chunk;

/// The number by which requests refer to these buffers.
pub(super) const GROUP: u16 = 0;

/// The initial and the maximum number of buffers. The kernel cycles through all of them, so few stay in
/// the cache better. Their number doubles each time they run out, up to 64 MiB in all, of which the
/// pages that bytes were written to are resident.
const INITIAL_BUFFERS: u16 = 16;
const MAX_BUFFERS: u16 = 1024;

pub(super) struct BufferRing {
    /// Shared with the kernel, which reads entries up to the tail.
    entries: *mut BufRingEntry,
    /// The chunk of each buffer that the kernel has, by buffer number.
    chunks: Vec<Option<Chunk>>,
    /// The numbers of the buffers that the kernel has used.
    used: Vec<u16>,
    tail: u16,
    /// Whether the kernel ran out of buffers since the last refill.
    exhausted: bool,
}

// SAFETY: the mapping belongs to this value, and nothing in it depends on a thread.
unsafe impl Send for BufferRing {}

const LENGTH: usize = MAX_BUFFERS as usize * size_of::<BufRingEntry>();

impl BufferRing {
    pub(super) fn register(ring: &Ring) -> io::Result<BufferRing> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: this makes a new mapping, at an address that the kernel chooses.
        let entries =
            unsafe { mmap_anonymous(std::ptr::null_mut(), LENGTH, access, MapFlags::PRIVATE)? };
        let buffers = BufferRing {
            entries: entries.cast(),
            chunks: Vec::new(),
            used: Vec::new(),
            tail: 0,
            exhausted: true,
        };
        // SAFETY: the mapping has space for that many entries, and is only unmapped after the ring has
        // given it up.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(entries as u64, MAX_BUFFERS, GROUP, 0)?;
        }
        Ok(buffers)
    }

    /// Notes that the kernel ran out of buffers, so that the next refill provides more.
    pub(super) fn ran_out(&mut self) {
        self.exhausted = true;
    }

    fn grow(&mut self) {
        let before = self.chunks.len() as u16;
        let after = (before * 2).clamp(INITIAL_BUFFERS, MAX_BUFFERS);
        self.chunks.resize_with(usize::from(after), || None);
        self.used.extend(before..after);
    }

    /// Provides a new buffer for each used one.
    pub(super) fn refill(&mut self) {
        if std::mem::take(&mut self.exhausted) {
            self.grow();
        }
        if self.used.is_empty() {
            return;
        }
        for id in self.used.drain(..) {
            let chunk = self.chunks[usize::from(id)].insert(Chunk::empty());
            let (start, size) = chunk.lend();
            // SAFETY: the index is within the mapping. The kernel reads the entry only after the tail
            // has moved past it, and there are at most MAX_BUFFERS entries.
            unsafe {
                let entry = &mut *self.entries.add(usize::from(self.tail % MAX_BUFFERS));
                entry.set_addr(start as u64);
                entry.set_len(size);
                entry.set_bid(id);
            }
            self.tail = self.tail.wrapping_add(1);
        }
        // SAFETY: the tail is a field of the first entry, which only this side writes.
        unsafe {
            let tail = BufRingEntry::tail(self.entries).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    /// Takes the buffer that the kernel wrote `length` bytes to.
    pub(super) fn take(&mut self, id: u16, length: u32) -> Chunk {
        let Some(mut chunk) = self.chunks.get_mut(usize::from(id)).and_then(Option::take) else {
            unreachable!("the kernel uses each provided buffer once")
        };
        self.used.push(id);
        // SAFETY: the kernel reports that it wrote that many bytes, and it does not write to a buffer
        // that it has reported.
        unsafe { chunk.take_back(length) };
        chunk
    }

    /// Leaks the buffers, since the kernel may still write to them.
    pub(super) fn abandon(&mut self) {
        self.chunks.drain(..).for_each(std::mem::forget);
    }

    /// Unregisters and frees the buffers; no request may be in flight.
    pub(super) fn unregister(&mut self, ring: &Ring) {
        match ring.submitter().unregister_buf_ring(GROUP) {
            // SAFETY: the kernel has given the mapping up.
            Ok(()) => drop(unsafe { munmap(self.entries.cast(), LENGTH) }),
            Err(_) => self.abandon(),
        }
    }
}
