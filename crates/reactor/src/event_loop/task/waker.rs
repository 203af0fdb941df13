//! Wakers of tasks. A waker is the [number](super::id) of its task and owns no memory.
//!
//! Cloning copies the number and dropping does nothing, so a registration stores a task's waker without an
//! atomic operation. Waking looks the task up by its number: in the loop's table on the loop's own thread,
//! through the loop's [`Remote`] from another thread.
//!
//! A waker may outlive its task, and numbers are reused. A stale waker therefore finds no task, or causes a
//! spurious poll of another task, which every future must allow for.
#![allow(unsafe_code)]

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::id::TaskId;
use crate::event_loop::Loop;
use crate::event_loop::remote::Remote;

impl TaskId {
    /// Returns the task that `waker` wakes, if it is a task of a loop.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Option<TaskId> {
        ptr::eq(waker.vtable(), &VTABLE).then(|| id(waker.data()))
    }

    /// Returns a waker of the task.
    #[inline]
    pub(crate) fn waker(self) -> Waker {
        // SAFETY: the functions of the table treat the data word as a number and never dereference it, and
        // they may be called on any thread.
        unsafe { Waker::from_raw(self.raw()) }
    }

    fn raw(self) -> RawWaker {
        RawWaker::new(ptr::without_provenance(self.word() as usize), &VTABLE)
    }

    /// Wakes the task; does nothing if the task has ended or its loop was dropped.
    #[inline]
    pub(crate) fn wake(self) {
        if !wake_local(self) {
            self.wake_remote();
        }
    }

    #[cold]
    fn wake_remote(self) {
        if let Some(remote) = Remote::of_tasks(self.owner()) {
            remote.wake_task(self);
        }
    }
}

/// Wakes a task if its loop runs on this thread; returns whether it does.
#[inline]
fn wake_local(task: TaskId) -> bool {
    Loop::with_current(|lp| match lp {
        Some(lp) if task.is_of(lp.id()) => {
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
        // No loop has the number 3, so nothing is woken.
        waker.wake();
    }
}
