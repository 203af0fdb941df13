//! Other threads' way into a loop: an inbox and one wake-up.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use switchboard_driver::Notifier;

use crate::event_loop::Loop;
use crate::event_loop::task::id::{MAX_LOOP, TaskId};
use crate::hooks::Name;
use crate::inbox::Inbox;

/// What another thread sent.
pub(crate) enum Sent {
    Wake(TaskId),
    Call(Box<dyn FnOnce() + Send>, Name),
    Request(Request),
}

/// A request that a loop answers while it runs, and drops at the end of its run.
pub(crate) type Request = Box<dyn FnOnce(&Loop) + Send>;

struct Shared {
    id: u32,
    inbox: Inbox<Sent>,
    notifier: Notifier,
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
    pub(crate) fn new(notifier: Notifier, completes: bool) -> Remote {
        let mut loops = lock(&LOOPS);
        let id = loop {
            // The numbers start again when all were used; those of loops that live are passed over.
            let id = (NEXT.fetch_add(2, Ordering::Relaxed) & MAX_LOOP) | u32::from(completes);
            if id > 1 && !loops.contains_key(&id) {
                break id;
            }
        };
        let shared = Arc::new(Shared {
            id,
            inbox: Inbox::new(),
            notifier,
        });
        loops.insert(id, Arc::downgrade(&shared));
        drop(loops);
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

    /// Wakes a task of the loop from another thread, or while the loop does not run.
    pub(crate) fn wake_task(&self, task: TaskId) {
        let again = |last: &Sent| matches!(last, Sent::Wake(last) if *last == task);
        self.0
            .inbox
            .send_unless(again, Sent::Wake(task), || self.0.notifier.notify());
    }

    /// Sends the loop a request; returns it if the loop is gone.
    pub(crate) fn request(&self, f: impl FnOnce(&Loop) + Send + 'static) -> Option<Sent> {
        let request = Sent::Request(Box::new(f));
        self.0.inbox.send(request, || self.0.notifier.notify())
    }

    /// Ends the loop's wait. Never blocks.
    pub fn wake(&self) {
        self.0.inbox.notify(|| self.0.notifier.notify());
    }

    fn send(&self, sent: Sent) {
        // What a loop that is gone gives back is dropped.
        let _ = self.0.inbox.send(sent, || self.0.notifier.notify());
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
