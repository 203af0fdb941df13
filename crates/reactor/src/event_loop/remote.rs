//! Access to a loop from other threads, and the loops' numbers.
//!
//! # Numbers of loops
//!
//! A loop's number has 28 bits and is odd exactly if the loop has a completion driver. A [`TaskId`] has space
//! for the low 24 bits only, which are unique among the loops that exist in the process: a stale one causes a
//! spurious wake at most. The owner word of a descriptor has the whole number, which is given again after a
//! thousand million loops. [`Remote::of`] finds the loop of a number in a table of the process. Numbers whose
//! low bits are 0 or 1 are never given: 0 means "no loop".

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use switchboard_driver::Notifier;

use crate::event_loop::Loop;
use crate::event_loop::task::id::{MAX_LOOP, TaskId};
use crate::hooks::Name;
use crate::inbox::Inbox;

/// An item of a loop's inbox.
pub(crate) enum Sent {
    Wake(TaskId),
    Call(Box<dyn FnOnce() + Send>, Name),
    Request(Request),
}

/// A request that a loop answers while it runs. A request that arrives when the loop stops is dropped.
pub(crate) type Request = Box<dyn FnOnce(&Loop) + Send>;

struct Shared {
    id: u32,
    inbox: Inbox<Sent>,
    notifier: Notifier,
}

/// A handle of a [`Loop`] for other threads, cheap to clone. Once the loop is dropped, the handle's methods
/// do nothing.
///
/// ```
/// use switchboard_reactor::{Driver, Loop};
///
/// let lp = Loop::new(Driver::best())?;
/// let remote = lp.remote();
/// let thread = std::thread::spawn(move || {
///     remote.call_soon(|| Loop::current().unwrap().stop());
/// });
/// lp.run_forever()?;
/// thread.join().unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

/// The loops that exist, by the low bits of their numbers.
static LOOPS: LazyLock<Mutex<HashMap<u32, Weak<Shared>>>> = LazyLock::new(Mutex::default);
/// The next loop's number, without the bit that says whether the loop has a completion driver.
static NEXT: AtomicU32 = AtomicU32::new(2);

/// Returns whether the loop with this number has a completion driver.
pub fn completes(id: u32) -> bool {
    id % 2 == 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section leaves the table in a valid state, even if it panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Remote {
    pub(crate) fn new(notifier: Notifier, completes: bool) -> Remote {
        let mut loops = lock(&LOOPS);
        let id = loop {
            let next = NEXT.fetch_add(2, Ordering::Relaxed) & (u32::MAX >> 4);
            let id = next | u32::from(completes);
            if id & MAX_LOOP > 1 && !loops.contains_key(&(id & MAX_LOOP)) {
                break id;
            }
        };
        let shared = Arc::new(Shared {
            id,
            inbox: Inbox::new(),
            notifier,
        });
        loops.insert(id & MAX_LOOP, Arc::downgrade(&shared));
        drop(loops);
        Remote(shared)
    }

    /// Returns a handle of the loop with this number, if the loop exists.
    pub fn of(id: u32) -> Option<Remote> {
        Remote::of_tasks(id & MAX_LOOP).filter(|remote| remote.id() == id)
    }

    /// Returns a handle of the loop whose tasks have this owner.
    pub(crate) fn of_tasks(owner: u32) -> Option<Remote> {
        lock(&LOOPS).get(&owner).and_then(Weak::upgrade).map(Remote)
    }

    /// Returns the loop's number; see [`Loop::id`].
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Runs `f` on the loop's thread in a later turn. Never blocks. If the loop is dropped before that turn,
    /// `f` is dropped without being called.
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + Send + 'static) {
        self.send(Sent::Call(
            Box::new(f),
            Name::from(std::panic::Location::caller()),
        ));
    }

    /// Wakes a task of the loop from another thread, or while the loop does not run. A wake that repeats the
    /// last item of the inbox adds no item.
    pub(crate) fn wake_task(&self, task: TaskId) {
        let again = |last: &Sent| matches!(last, Sent::Wake(last) if *last == task);
        self.0
            .inbox
            .send_unless(again, Sent::Wake(task), || self.0.notifier.notify());
    }

    /// Sends a request to the loop; returns it if the loop was dropped.
    pub(crate) fn request(&self, f: impl FnOnce(&Loop) + Send + 'static) -> Option<Sent> {
        let request = Sent::Request(Box::new(f));
        self.0.inbox.send(request, || self.0.notifier.notify())
    }

    /// Ends the loop's current wait, or its next one. Never blocks.
    pub fn wake(&self) {
        self.0.inbox.notify(|| self.0.notifier.notify());
    }

    fn send(&self, sent: Sent) {
        // An item that a closed inbox returns is dropped, without its lock.
        let _ = self.0.inbox.send(sent, || self.0.notifier.notify());
    }

    pub(crate) fn inbox(&self) -> &Inbox<Sent> {
        &self.0.inbox
    }

    /// Removes the loop's number from the table.
    pub(crate) fn retire(&self) {
        lock(&LOOPS).remove(&(self.0.id & MAX_LOOP));
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote(loop {})", self.0.id)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use switchboard_driver::Driver;

    use super::*;

    #[test]
    fn repeated_wakes_of_another_thread_are_one_item() {
        let lp = Loop::new(Driver::best()).expect("the driver opens");
        let waker = TaskId::root(lp.id()).waker();
        thread::spawn(move || (0..1000).for_each(|_| waker.wake_by_ref()))
            .join()
            .expect("the thread ends");
        let remote = lp.remote();
        let mut items = Vec::new();
        remote.inbox().drain(&mut items);
        assert_eq!(items.len(), 1);
        assert!(matches!(items[0], Sent::Wake(task) if task == TaskId::root(lp.id())));
        // The loop has received the wake, so the next one is an item again.
        remote.wake_task(TaskId::root(lp.id()));
        remote.inbox().drain(&mut items);
        assert_eq!(items.len(), 2);
    }
}
