//! Tasks: futures that the loop polls when they are woken.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_task::{Builder, Runnable, Task};
use pin_project_lite::pin_project;

use crate::event_loop::{Item, Loop};
use crate::hooks::Name;

impl Loop {
    /// Starts a task on this loop: it is first polled in the next turn, and only ever on this
    /// thread. A panic in it is the [`Task`]'s to propagate; dropping the `Task` cancels it.
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
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T, Name> {
        self.spawn_named(Location::caller(), future)
    }

    /// As [`spawn`](Loop::spawn), under the name of another place.
    pub fn spawn_named<T: 'static>(
        &self,
        name: Name,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T, Name> {
        let remote = self.remote();
        let mut tasks = self.0.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let future = Listed {
            entry: entry.key() as u32,
            home: self.id(),
            future,
        };
        let (runnable, task) = Builder::new()
            .metadata(name)
            .propagate_panic(true)
            .spawn_local(
                move |_| future,
                move |runnable: Runnable<Name>| {
                    remote.schedule(runnable);
                },
            );
        entry.insert(runnable.waker());
        drop(tasks);
        // In line with what `call_soon` adds, whether the loop runs already or not.
        self.push(Item::Task(runnable));
        task
    }
}

pin_project! {
    /// A future on the loop's list of tasks, so that the loop can drop it when it goes itself.
    struct Listed<F> {
        entry: u32,
        home: u32,
        #[pin]
        future: F,
    }

    impl<F> PinnedDrop for Listed<F> {
        fn drop(this: Pin<&mut Self>) {
            // A loop that goes drops its tasks when it has given up the list.
            let waker = Loop::with_current(|lp| {
                let lp = lp.filter(|lp| lp.id() == this.home)?;
                lp.0.tasks.borrow_mut().try_remove(this.entry as usize)
            });
            drop(waker);
        }
    }
}

impl<F: Future> Future for Listed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(context)
    }
}
