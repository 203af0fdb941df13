//! Other threads' way into a loop: an inbox and one wake-up.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use async_task::Runnable;
use switchboard_driver::Waker;

use crate::event_loop::{self, Item, Loop};
use crate::hooks::Name;
use crate::inbox::Inbox;

/// What another thread sent.
pub(crate) enum Sent {
    Task(Runnable<Name>),
    Call(Box<dyn FnOnce() + Send>, Name),
    Ask(Ask),
}

/// To be answered by a loop that runs, and dropped by one that ends its run.
pub(crate) type Ask = Box<dyn FnOnce(&Loop) + Send>;

struct Shared {
    id: u32,
    inbox: Inbox<Sent>,
    waker: Waker,
}

/// A handle on a [`Loop`](crate::Loop) for other threads: cheap to clone, usable from anywhere, and
/// harmless after the loop is gone.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

static LOOPS: LazyLock<Mutex<HashMap<u32, Weak<Shared>>>> = LazyLock::new(Mutex::default);
/// Even for loops whose driver answers "what is ready?", odd where it answers "what is done?".
static NEXT: AtomicU32 = AtomicU32::new(2);

/// Whether the loop of this number has a driver that answers "what is done?".
pub fn completes(id: u32) -> bool {
    id % 2 == 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Remote {
    pub(crate) fn new(waker: Waker, completes: bool) -> Remote {
        let id = NEXT.fetch_add(2, Ordering::Relaxed) | u32::from(completes);
        let shared = Arc::new(Shared {
            id,
            inbox: Inbox::new(),
            waker,
        });
        lock(&LOOPS).insert(id, Arc::downgrade(&shared));
        Remote(shared)
    }

    /// The loop with this number, if it is still there.
    pub fn of(id: u32) -> Option<Remote> {
        lock(&LOOPS).get(&id).and_then(Weak::upgrade).map(Remote)
    }

    /// The loop's number, unique in this process.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Runs `f` on the loop's thread, in a later turn. Never blocks. If the loop is gone, or goes
    /// before its turn comes, `f` is dropped.
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + Send + 'static) {
        self.send(Sent::Call(
            Box::new(f),
            Name::from(std::panic::Location::caller()),
        ));
    }

    /// Has the loop poll the future of its `block_on`; on its own thread without a system call.
    pub(crate) fn wake_root(&self) {
        if !event_loop::wake_root_local(self.0.id) {
            self.wake();
        }
    }

    /// Asks the loop; what it is asked comes back if it is gone.
    pub(crate) fn ask(&self, f: impl FnOnce(&Loop) + Send + 'static) -> Option<Sent> {
        let ask = Sent::Ask(Box::new(f));
        self.0.inbox.send(ask, || self.0.waker.wake())
    }

    /// Ends the loop's wait. Never blocks.
    pub fn wake(&self) {
        self.0.inbox.notify(|| self.0.waker.wake());
    }

    /// Puts a woken task into its loop's queue; on the loop's own thread without lock or wake-up.
    pub(crate) fn schedule(&self, task: Runnable<Name>) {
        if let Some(task) = event_loop::push_local(self.0.id, Item::Task(task)) {
            match task {
                Item::Task(task) => self.send(Sent::Task(task)),
                Item::Call(_) => unreachable!("what was not taken comes back as it was"),
            }
        }
    }

    fn send(&self, sent: Sent) {
        match self.0.inbox.send(sent, || self.0.waker.wake()) {
            None | Some(Sent::Call(..) | Sent::Ask(_)) => {}
            // Woken in the very moment in which the loop went. Its future must not be dropped on
            // another thread than its own, so it is leaked.
            Some(Sent::Task(task)) => std::mem::forget(task),
        }
    }

    pub(crate) fn inbox(&self) -> &Inbox<Sent> {
        &self.0.inbox
    }

    pub(crate) fn retire(&self) {
        lock(&LOOPS).remove(&self.0.id);
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote(loop {})", self.0.id)
    }
}
