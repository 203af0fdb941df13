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
mod table;
mod waker;

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::budget::Credit;
use crate::event_loop::{Item, Loop, Root};
use crate::hooks::Name;

use id::TaskId;
use join::{Joined, Shared};
pub use join::{Outcome, Task};
pub(crate) use table::{TaskKey, Tasks};

type BoxFuture = Pin<Box<dyn Future<Output = ()>>>;

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
