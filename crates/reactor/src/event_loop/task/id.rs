//! The number of a task: its loop, its place in the loop's table and a generation, in one word.
//!
//! ```text
//!   63       40 39        24 23        0
//!   │ loop     │ generation │ index    │
//! ```
//!
//! A task's waker has the number in its data pointer, which must therefore have 64 bits: 32-bit targets are
//! not supported. The loop and the index have 24 bits each, which limits the loops of a process and the tasks
//! of a loop to about 16 million.
//!
//! The index is the task's place in the table of its loop. The generation of a place changes whenever a task
//! in it ends, so that the number of an ended task is given again only after 65,536 tasks in the same place.

use std::num::NonZeroU64;

const _: () = assert!(
    usize::BITS == 64,
    "32-bit targets are not supported: the number of a task needs a pointer of 64 bits"
);

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 16;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// The bits of a loop's number that a task's number has.
pub(crate) const MAX_LOOP: u32 = (1 << (64 - INDEX_BITS - GENERATION_BITS)) - 1;

/// The maximum number of tasks of a loop. The last index names the future of `block_on`.
pub(crate) const MAX_TASKS: usize = INDEX_MASK as usize;

/// The number of a task, unique among the existing tasks of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId(NonZeroU64);

impl TaskId {
    pub(crate) fn new(owner: u32, index: u32, generation: u16) -> TaskId {
        debug_assert!(index < INDEX_MASK);
        TaskId::from_word(
            u64::from(owner & MAX_LOOP) << (INDEX_BITS + GENERATION_BITS)
                | u64::from(generation) << INDEX_BITS
                | u64::from(index),
        )
    }

    /// Interprets the data word of a waker.
    pub(super) fn from_word(word: u64) -> TaskId {
        match NonZeroU64::new(word) {
            Some(word) => TaskId(word),
            None => unreachable!("no loop has the number zero"),
        }
    }

    /// Returns the number of the future of `block_on` on the loop `owner`.
    pub(crate) fn root(owner: u32) -> TaskId {
        TaskId::from_word(
            u64::from(owner & MAX_LOOP) << (INDEX_BITS + GENERATION_BITS) | u64::from(INDEX_MASK),
        )
    }

    pub(crate) fn is_root(self) -> bool {
        self.index() == INDEX_MASK
    }

    /// Returns whether this is a task of the loop with this number.
    #[inline]
    pub(crate) fn is_of(self, id: u32) -> bool {
        self.owner() == id & MAX_LOOP
    }

    /// Returns the low bits of the loop's number.
    pub(crate) fn owner(self) -> u32 {
        (self.0.get() >> (INDEX_BITS + GENERATION_BITS)) as u32
    }

    /// Returns the data word of the task's wakers.
    pub(super) fn word(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn index(self) -> u32 {
        self.0.get() as u32 & INDEX_MASK
    }

    pub(crate) fn generation(self) -> u16 {
        (self.0.get() >> INDEX_BITS) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_parts() {
        let id = TaskId::new(MAX_LOOP, INDEX_MASK - 1, u16::MAX);
        assert_eq!(
            (id.owner(), id.index(), id.generation()),
            (MAX_LOOP, INDEX_MASK - 1, u16::MAX)
        );
        assert!(!id.is_root());
        assert!(TaskId::root(7).is_root());
        assert_eq!(TaskId::root(7).owner(), 7);
    }
}
