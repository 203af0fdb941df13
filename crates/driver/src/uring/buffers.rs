//! Buffers that the kernel picks from when bytes arrive, so that who waits holds none.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::ring::Ring;
use crate::Chunk;

/// The kernel's name for this group of buffers.
pub(super) const GROUP: u16 = 0;

/// How many buffers are on offer at first: the kernel goes round all of them, so that few stay in the
/// cache. Twice as many each time they were not enough, up to the most: 64 MiB, of which what bytes
/// were written to is resident.
const FEW: u16 = 16;
const MOST: u16 = 1024;

pub(super) struct Buffers {
    /// Shared with the kernel, which reads entries up to the tail.
    entries: *mut BufRingEntry,
    /// What each entry's buffer belongs to; none while its bytes are elsewhere.
    chunks: Vec<Option<Chunk>>,
    empty: Vec<u16>,
    tail: u16,
    /// They were not enough.
    short: bool,
}

// SAFETY: the mapping is this value's own, and nothing of it is a thread's.
unsafe impl Send for Buffers {}

const LENGTH: usize = MOST as usize * size_of::<BufRingEntry>();

impl Buffers {
    pub(super) fn register(ring: &Ring) -> io::Result<Buffers> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a mapping of our own, where the kernel likes.
        let entries =
            unsafe { mmap_anonymous(std::ptr::null_mut(), LENGTH, access, MapFlags::PRIVATE)? };
        let buffers = Buffers {
            entries: entries.cast(),
            chunks: Vec::new(),
            empty: Vec::new(),
            tail: 0,
            short: true,
        };
        // SAFETY: the mapping has room for that many entries, and stays until the ring is gone, or for
        // ever.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(entries as u64, MOST, GROUP, 0)?;
        }
        Ok(buffers)
    }

    /// Has more buffers offered, if that is possible.
    pub(super) fn ran_out(&mut self) {
        self.short = true;
    }

    fn grow(&mut self) {
        let now = self.chunks.len() as u16;
        let then = (now * 2).clamp(FEW, MOST);
        self.chunks.resize_with(usize::from(then), || None);
        self.empty.extend(now..then);
    }

    /// Offers a buffer for each that was taken.
    pub(super) fn refill(&mut self) {
        if std::mem::take(&mut self.short) {
            self.grow();
        }
        if self.empty.is_empty() {
            return;
        }
        for id in self.empty.drain(..) {
            let chunk = self.chunks[usize::from(id)].insert(Chunk::empty());
            let (start, size) = chunk.lend();
            // SAFETY: the index is within the mapping. The kernel reads the entry once the tail has
            // moved past it, and there are no more entries than fit.
            unsafe {
                let entry = &mut *self.entries.add(usize::from(self.tail % MOST));
                entry.set_addr(start as u64);
                entry.set_len(size);
                entry.set_bid(id);
            }
            self.tail = self.tail.wrapping_add(1);
        }
        // SAFETY: the tail is a field of the first entry that this side writes and the kernel reads.
        unsafe {
            let tail = BufRingEntry::tail(self.entries).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    /// The buffer that the kernel wrote `length` bytes to.
    pub(super) fn take(&mut self, id: u16, length: u32) -> Chunk {
        let Some(mut chunk) = self.chunks.get_mut(usize::from(id)).and_then(Option::take) else {
            unreachable!("the kernel names a buffer that is on offer, once")
        };
        self.empty.push(id);
        // SAFETY: the kernel said that it wrote so many bytes, and takes a buffer off the offer before
        // it writes.
        unsafe { chunk.take_back(length) };
        chunk
    }

    /// Leaves the buffers to the kernel, which may still write to them.
    pub(super) fn abandon(&mut self) {
        self.chunks.drain(..).for_each(std::mem::forget);
    }

    /// Takes them back from a kernel that is done with them.
    pub(super) fn deregister(&mut self, ring: &Ring) {
        match ring.submitter().unregister_buf_ring(GROUP) {
            // SAFETY: the kernel has given it up.
            Ok(()) => drop(unsafe { munmap(self.entries.cast(), LENGTH) }),
            Err(_) => self.abandon(),
        }
    }
}
