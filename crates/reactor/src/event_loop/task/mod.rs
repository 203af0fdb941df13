//! Tasks: futures that the loop polls when they are woken.
//!
//! ```text
//!              wake                     poll
//!     IDLE ───────────►  QUEUED  ─────────────────►  RUNNING ── ready ──► ENDED
//!      ▲                   ▲                           │  │
//!      │                   └── woken while it ran ─────┘  │
//!      └──────────────────────── pending ─────────────────┘
//! ```
//!
//! The tasks of a loop are in a table. While a task runs, its future is not in the table, so that the future
//! may spawn, wake and drop other tasks. The table is not shared between threads: [`waker`] describes how
//! other threads wake a task.

pub(crate) mod id;
mod join;
mod waker;

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::budget::Credit;
use crate::event_loop::{Item, Loop, Root};
use crate::hooks::Name;

use id::{MAX_TASKS, TaskId};
use join::{Joined, Shared};
pub use join::{Outcome, Task};

type BoxFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The end of the list of vacant entries.
const END: u32 = u32::MAX;

/// A place in the table of tasks.
struct Entry {
    /// `None` while the task runs, and in a vacant entry.
    future: Option<BoxFuture>,
    name: Name,
    /// The generation, and [`ALIVE`] and [`QUEUED`].
    state: u32,
    /// The next vacant entry, in a vacant entry.
    next: u32,
}

/// The entry has a task.
const ALIVE: u32 = 1;
/// The task is in the ready queue.
const QUEUED: u32 = 2;
/// The task was taken from the ready queue while it ran, by a turn within its own poll, and has to be queued
/// again.
const MISSED: u32 = 4;
const GENERATION_SHIFT: u32 = 16;

/// The table of a loop's tasks.
pub(crate) struct Tasks {
    entries: Vec<Entry>,
    vacant: u32,
    alive: usize,
}

impl Default for Tasks {
    fn default() -> Tasks {
        Tasks {
            entries: Vec::new(),
            vacant: END,
            alive: 0,
        }
    }
}

/// The key of a task in the table of its loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskKey {
    index: u32,
    /// The state of the entry while it has this task and the task is not queued.
    state: u32,
}

impl TaskKey {
    #[inline]
    fn new(index: u32, generation: u16) -> TaskKey {
        let state = u32::from(generation) << GENERATION_SHIFT | ALIVE;
        TaskKey { index, state }
    }

    #[inline]
    fn id(self, owner: u32) -> TaskId {
        TaskId::new(owner, self.index, (self.state >> GENERATION_SHIFT) as u16)
    }
}

impl Tasks {
    pub(crate) fn is_empty(&self) -> bool {
        self.alive == 0
    }

    fn insert(&mut self, future: BoxFuture, name: Name) -> TaskKey {
        let index = match self.vacant {
            END => self.grow(name),
            vacant => vacant,
        };
        self.alive += 1;
        let entry = &mut self.entries[index as usize];
        self.vacant = entry.next;
        entry.future = Some(future);
        entry.name = name;
        entry.state |= ALIVE | QUEUED;
        TaskKey {
            index,
            state: entry.state & !QUEUED,
        }
    }

    /// Adds a vacant entry.
    fn grow(&mut self, name: Name) -> u32 {
        let index = self.entries.len();
        assert!(index < MAX_TASKS, "a loop holds at most {MAX_TASKS} tasks");
        self.entries.push(Entry {
            future: None,
            name,
            state: 0,
            next: END,
        });
        index as u32
    }

    #[inline]
    fn get_mut(&mut self, key: TaskKey) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(key.index as usize)?;
        (entry.state & !(QUEUED | MISSED) == key.state).then_some(entry)
    }

    /// Marks a task as queued; returns whether the caller has to add it to the ready queue.
    #[inline]
    fn wake(&mut self, key: TaskKey) -> bool {
        match self.entries.get_mut(key.index as usize) {
            Some(entry) if entry.state == key.state => {
                entry.state |= QUEUED;
                true
            }
            _ => false,
        }
    }

    /// Takes the future of a queued task out of the table, so that it can be polled.
    #[inline]
    fn start(&mut self, key: TaskKey) -> Option<(BoxFuture, Name)> {
        let entry = self.get_mut(key)?;
        let Some(future) = entry.future.take() else {
            entry.state |= MISSED;
            return None;
        };
        entry.state = key.state;
        Some((future, entry.name))
    }

    /// Puts the future of a pending task back into the table; returns whether the caller has to add the task
    /// to the ready queue.
    #[inline]
    fn put_back(&mut self, key: TaskKey, future: BoxFuture) -> bool {
        let Some(entry) = self.get_mut(key) else {
            return false;
        };
        entry.future = Some(future);
        let missed = entry.state & MISSED != 0;
        entry.state &= !MISSED;
        missed
    }

    /// Removes a task, and starts the next generation of its entry.
    fn remove(&mut self, key: TaskKey) {
        let vacant = self.vacant;
        if let Some(entry) = self.get_mut(key) {
            entry.state = (key.state & !ALIVE).wrapping_add(1 << GENERATION_SHIFT);
            entry.next = vacant;
            self.vacant = key.index;
            self.alive -= 1;
        }
    }

    /// Removes all tasks and returns their futures.
    pub(crate) fn clear(&mut self) -> Vec<BoxFuture> {
        let entries = std::mem::take(self).entries;
        entries
            .into_iter()
            .filter_map(|entry| entry.future)
            .collect()
    }
}

pin_project! {
    /// A future whose output is discarded.
    struct Discarded<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Discarded<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(context).map(drop)
    }
}

impl Loop {
    /// Starts a task on this loop. The task is first polled in the next turn, and always on this thread.
    /// Awaiting the handle propagates a panic of the task; dropping the handle cancels the task.
    ///
    /// # Panics
    /// If the loop has 16,777,215 tasks already.
    ///
    /// ```
    /// use switchboard_reactor::{Driver, Loop};
    ///
    /// let lp = Loop::new(Driver::best())?;
    /// let answer = lp.spawn(async { 6 * 7 });
    /// assert_eq!(lp.block_on(answer)?, 42);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        self.spawn_named(Location::caller(), future)
    }

    /// Starts a task as [`spawn`](Loop::spawn) does, with a name for stall reports.
    ///
    /// # Panics
    /// As [`spawn`](Loop::spawn).
    pub fn spawn_named<T: 'static>(
        &self,
        name: Name,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        let shared = Shared::new();
        let joined = Joined::new(shared.clone(), future);
        Task::new(shared, self.insert_task(name, Box::pin(joined)))
    }

    /// Starts a task without a handle, which saves an allocation. A panic ends only this task and is not
    /// reported.
    ///
    /// # Panics
    /// As [`spawn`](Loop::spawn).
    pub fn spawn_detached<T: 'static>(
        &self,
        name: Name,
        future: impl Future<Output = T> + 'static,
    ) {
        self.insert_task(name, Box::pin(Discarded { future }));
    }

    fn insert_task(&self, name: Name, future: BoxFuture) -> TaskId {
        let key = self.0.tasks.borrow_mut().insert(future, name);
        self.push(Item::Task(key));
        key.id(self.id())
    }

    /// Adds a task that was woken to the ready queue, unless the task is queued already or has ended.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn wake_task(&self, id: TaskId) {
        if id.is_root() {
            return self.wake_root();
        }
        let key = TaskKey::new(id.index(), id.generation());
        if self.0.tasks.borrow_mut().wake(key) {
            self.push(Item::Task(key));
        }
    }

    fn wake_root(&self) {
        if self.0.root.get() == Root::Waiting {
            self.0.root.set(Root::Woken);
        }
    }

    /// Polls a task from the ready queue.
    #[inline]
    pub(crate) fn run_task(&self, key: TaskKey) {
        let started = self.0.tasks.borrow_mut().start(key);
        let Some((mut future, name)) = started else {
            return;
        };
        self.0.credit.set(Credit::FULL);
        let waker = key.id(self.id()).waker();
        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut context).is_pending()
        }));
        match polled {
            Ok(true) => {
                let missed = self.0.tasks.borrow_mut().put_back(key, future);
                if missed {
                    self.push(Item::Task(key));
                }
            }
            // Ready, or a panic of a detached task; `Joined` passes panics to the handle.
            Ok(false) | Err(_) => self.end_task(key, future),
        }
        self.check_stall(name);
    }

    fn end_task(&self, key: TaskKey, future: BoxFuture) {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(future)));
        drop(dropped);
        self.0.tasks.borrow_mut().remove(key);
    }
}
