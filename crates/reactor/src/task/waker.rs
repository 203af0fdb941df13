//! Wakers of tasks: one word that names the task, and no memory to count references to.
//!
//! ```text
//!   63       40 39        24 23        0
//!   │ loop     │ generation │ index    │      the data word of a RawWaker
//! ```
//!
//! Cloning copies the word and dropping does nothing, so a registration that keeps a task's waker costs
//! no atomic operation. Waking looks the task up by number: on the loop's own thread in the loop's table,
//! from another thread through the loop's [`Remote`]. A number may outlive its task. Loops reuse numbers,
//! so a stale waker finds nothing or wakes another task for nothing, which futures have to bear anyway.
#![allow(unsafe_code)]

use std::num::NonZeroU64;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::event_loop;
use crate::remote::Remote;

const _: () = assert!(
    usize::BITS == 64,
    "the number of a task needs a 64-bit word: 32-bit targets are not supported"
);

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 16;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// The largest number of a loop.
pub(crate) const MAX_LOOP: u32 = (1 << (64 - INDEX_BITS - GENERATION_BITS)) - 1;

/// How many tasks a loop may have at once; the last index names the future of `block_on`.
pub(crate) const MAX_TASKS: usize = INDEX_MASK as usize;

/// The number of a task, unique among the tasks that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId(NonZeroU64);

impl TaskId {
    pub(crate) fn new(owner: u32, index: u32, generation: u16) -> TaskId {
        debug_assert!(owner <= MAX_LOOP && index < INDEX_MASK);
        TaskId::from_word(
            u64::from(owner) << (INDEX_BITS + GENERATION_BITS)
                | u64::from(generation) << INDEX_BITS
                | u64::from(index),
        )
    }

    fn from_word(word: u64) -> TaskId {
        match NonZeroU64::new(word) {
            Some(word) => TaskId(word),
            None => unreachable!("no loop has the number zero"),
        }
    }

    /// The number of the future of `block_on` on the loop `owner`.
    pub(crate) fn root(owner: u32) -> TaskId {
        TaskId::from_word(
            u64::from(owner) << (INDEX_BITS + GENERATION_BITS) | u64::from(INDEX_MASK),
        )
    }

    pub(crate) fn is_root(self) -> bool {
        self.index() == INDEX_MASK
    }

    pub(crate) fn owner(self) -> u32 {
        (self.0.get() >> (INDEX_BITS + GENERATION_BITS)) as u32
    }

    pub(crate) fn index(self) -> u32 {
        self.0.get() as u32 & INDEX_MASK
    }

    pub(crate) fn generation(self) -> u16 {
        (self.0.get() >> INDEX_BITS) as u16
    }

    /// The task that `waker` wakes, if it is a task of a loop.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Option<TaskId> {
        ptr::eq(waker.vtable(), &VTABLE).then(|| id(waker.data()))
    }

    #[inline]
    pub(crate) fn waker(self) -> Waker {
        // SAFETY: the functions of the table never dereference the data word, which is a number, and may
        // be called on any thread.
        unsafe { Waker::from_raw(self.raw()) }
    }

    fn raw(self) -> RawWaker {
        RawWaker::new(ptr::without_provenance(self.0.get() as usize), &VTABLE)
    }

    /// Makes the task ready; does nothing if it or its loop is gone.
    #[inline]
    pub(crate) fn wake(self) {
        if !event_loop::wake_local(self) {
            self.wake_remote();
        }
    }

    #[cold]
    fn wake_remote(self) {
        if let Some(remote) = Remote::of(self.owner()) {
            remote.wake_task(self);
        }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, forget);

fn id(data: *const ()) -> TaskId {
    TaskId::from_word(data.addr() as u64)
}

fn clone(data: *const ()) -> RawWaker {
    id(data).raw()
}

fn wake(data: *const ()) {
    id(data).wake();
}

fn forget(_: *const ()) {}

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

    #[test]
    fn a_waker_gives_its_number_back() {
        let id = TaskId::new(3, 5, 9);
        let waker = id.waker();
        assert_eq!(TaskId::of(&waker.clone()), Some(id));
        assert!(waker.will_wake(&id.waker()));
        assert!(!waker.will_wake(&TaskId::new(3, 5, 8).waker()));
        assert_eq!(TaskId::of(Waker::noop()), None);
        // No loop has this number: nothing happens.
        waker.wake();
    }
}
