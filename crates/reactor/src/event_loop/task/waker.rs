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

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::id::TaskId;
use crate::event_loop::Loop;
use crate::event_loop::remote::Remote;

impl TaskId {
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
        RawWaker::new(ptr::without_provenance(self.word() as usize), &VTABLE)
    }

    /// Makes the task ready; does nothing if it or its loop is gone.
    #[inline]
    pub(crate) fn wake(self) {
        if !wake_local(self) {
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

/// Wakes a task if its loop is the one that runs on this thread; returns whether that is so.
#[inline]
fn wake_local(task: TaskId) -> bool {
    Loop::with_current(|lp| match lp {
        Some(lp) if lp.id() == task.owner() => {
            lp.wake_task(task);
            true
        }
        _ => false,
    })
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
