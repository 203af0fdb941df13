//! The loop: its parts, one in each file of this room, and its settings.
//!
//! | file | holds |
//! |---|---|
//! | `turn.rs` | the steps of a turn, and runs of turns |
//! | `calls.rs` | callbacks and timers that users schedule |
//! | `task/` | tasks, their numbers, wakers and handles |
//! | `registry/` | registrations: what the loop knows of each descriptor |
//! | `fd_callbacks.rs` | callbacks of descriptors |
//! | `sockets.rs`, `operations.rs` | operations of sockets: the trait and its implementation |
//! | `posts.rs` | bytes that are sent as a turn ends |
//! | `descriptor.rs`, `unclaimed.rs` | migration of descriptors and of their completions |
//! | `current.rs` | the loop that runs on this thread |
//! | `remote.rs` | access from other threads, and the loops' numbers |

mod activity;
mod calls;
mod current;
mod descriptor;
mod fd_callbacks;
mod operations;
mod peers;
mod posts;
mod registry;
mod remote;
mod sockets;
mod task;
mod turn;
mod unclaimed;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use switchboard_driver::{Driver, Event, Poller};

use crate::budget::{Budget, Credit};
use crate::hooks::{Hooks, Log, Name};
use crate::stopwatch::Stopwatch;
use crate::timers::Timers;

use calls::{Call, CallKey, Calls};
use current::Current;
use registry::Registry;
use remote::Sent;
use task::{TaskKey, Tasks};
use unclaimed::Releasing;

pub use activity::{Activity, Waiting};
pub use calls::Handle;
pub use descriptor::Descriptor;
pub use posts::Posts;
pub use registry::{CallbackKey, Direction, Registration};
pub use remote::{Remote, completes};
pub use sockets::{Sockets, SystemCall, Transfer, uninterrupted};
pub use task::{Outcome, Task};

/// An entry of the ready queue.
enum Item {
    Task(TaskKey),
    Call(CallKey),
}

/// The action of a timer.
enum TimerEvent {
    Call(Call, Name),
    Wake(Waker),
}

struct Inner {
    id: u32,
    /// Whether the driver is a completion driver.
    completes: bool,
    remote: Remote,
    poller: RefCell<Box<dyn Poller>>,
    registry: RefCell<Registry>,
    timers: RefCell<Timers<TimerEvent>>,
    calls: RefCell<Calls>,
    tasks: RefCell<Tasks>,
    ready: RefCell<VecDeque<Item>>,
    /// An empty list whose memory each turn reuses; so are `sent`, `wakers` and `unneeded`.
    events: RefCell<Vec<Event>>,
    sent: RefCell<Vec<Sent>>,
    /// The time of this turn, once it was read.
    now: Cell<Option<Instant>>,
    /// Measures the callback or task poll that runs, for the stall report.
    stopwatch: Stopwatch,
    root: Cell<Root>,
    stopping: Cell<bool>,
    until_empty: Cell<bool>,
    budget: Cell<Budget>,
    hooks: RefCell<Arc<dyn Hooks>>,
    wakers: RefCell<Vec<Waker>>,
    unneeded: RefCell<Vec<Waker>>,
    /// Sockets that are being released to other loops.
    releasing: RefCell<Vec<Releasing>>,
    /// The rest of the running task's budget.
    credit: Cell<Credit>,
    driver: Driver,
}

/// The state of the future of `block_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    /// No `block_on` runs.
    Absent,
    /// The future waits to be woken.
    Waiting,
    /// The future is polled before the loop waits again.
    Woken,
}

/// An event loop: one driver, its timers, callbacks and tasks, on one thread. A clone is a handle of the
/// same loop.
///
/// ```
/// use std::time::Duration;
/// use switchboard_reactor::{Driver, Loop};
///
/// let lp = Loop::new(Driver::best())?;
/// let stop = lp.clone();
/// lp.call_later(Duration::from_millis(1), move || stop.stop());
/// lp.run_forever()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Loop(Rc<Inner>);

impl Loop {
    /// Creates a loop that waits with `driver`.
    ///
    /// # Errors
    /// Those of [`Driver::open`].
    pub fn new(driver: Driver) -> io::Result<Loop> {
        driver.open().map(Loop::with_poller)
    }

    /// Creates a loop that waits with an open poller, such as a seeded `Sim`.
    pub fn with_poller(mut poller: Box<dyn Poller>) -> Loop {
        let completes = poller.completion_driver().is_some();
        let remote = Remote::new(poller.notifier(), completes);
        if completes {
            unclaimed::announce(remote.id());
        }
        Loop(Rc::new(Inner {
            id: remote.id(),
            completes,
            remote,
            registry: RefCell::new(Registry::new(&*poller, completes)),
            driver: poller.driver(),
            poller: RefCell::new(poller),
            timers: RefCell::default(),
            calls: RefCell::default(),
            tasks: RefCell::default(),
            ready: RefCell::default(),
            events: RefCell::default(),
            sent: RefCell::default(),
            now: Cell::new(None),
            stopwatch: Stopwatch::new(),
            root: Cell::new(Root::Absent),
            stopping: Cell::new(false),
            until_empty: Cell::new(false),
            budget: Cell::default(),
            hooks: RefCell::new(Arc::new(Log)),
            wakers: RefCell::default(),
            unneeded: RefCell::default(),
            releasing: RefCell::default(),
            credit: Cell::new(Credit::FULL),
        }))
    }

    /// Returns the loop that runs on this thread, if there is one.
    pub fn current() -> Option<Loop> {
        Loop::with_current(|lp| lp.cloned())
    }

    /// Calls `f` with the loop that runs on this thread, or `None`.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&Loop>) -> R) -> R {
        current::with(f)
    }

    /// Returns the driver that the loop waits with.
    pub fn driver(&self) -> Driver {
        self.0.driver
    }

    /// Returns a handle of this loop for other threads.
    pub fn remote(&self) -> Remote {
        self.0.remote.clone()
    }

    /// Returns the loop's number, unique among the loops of this process; odd for a loop with a completion
    /// driver.
    #[inline]
    pub fn id(&self) -> u32 {
        self.0.id
    }

    #[inline]
    fn has_completion_driver(&self) -> bool {
        self.0.completes
    }

    /// Sets the limits of a turn.
    pub fn set_budget(&self, budget: Budget) {
        self.0.budget.set(budget);
    }

    /// Replaces the hooks.
    pub fn set_hooks(&self, hooks: Arc<dyn Hooks>) {
        let old = self.0.hooks.replace(hooks);
        drop(old);
    }

    /// Returns the hooks.
    pub fn hooks(&self) -> Arc<dyn Hooks> {
        self.0.hooks.borrow().clone()
    }

    /// Returns the loop's time, which is read once in each turn; virtual time with the `sim` driver.
    pub fn now(&self) -> Instant {
        self.0.now.get().unwrap_or_else(|| {
            let now = self.time();
            // Kept only while this loop runs, because a turn of this loop clears it.
            if Loop::with_current(|current| current.is_some_and(|lp| lp.id() == self.id())) {
                self.0.now.set(Some(now));
            }
            now
        })
    }

    /// Returns the time at this moment. Delays count from it, because the callback that runs may have taken
    /// long.
    pub fn time(&self) -> Instant {
        self.0.poller.borrow().now()
    }

    fn push(&self, item: Item) {
        self.0.ready.borrow_mut().push_back(item);
    }

    /// Ends the current run after this turn; does nothing if the loop does not run.
    pub fn stop(&self) {
        self.0.stopping.set(true);
    }

    /// Makes the loop this thread's current one.
    ///
    /// # Panics
    /// On a thread where a loop runs already.
    fn enter(&self) -> Entered {
        let current = Current::enter(self.clone());
        self.0.stopping.set(false);
        if self.completes() {
            self.restore_unclaimed();
        }
        Entered(Some(current))
    }
}

/// A guard of a run: its loop is this thread's current one until the guard is dropped.
struct Entered(Option<Current>);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(lp) = self.0.take().map(Current::leave) {
            if lp.completes() {
                lp.store_unclaimed();
            }
            lp.0.now.set(None);
            lp.0.root.set(Root::Absent);
            lp.0.stopping.set(false);
            lp.0.until_empty.set(false);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Sockets, timers and tasks that are dropped from here on find no loop, and need none.
        self.remote.retire();
        self.ready.take();
        let tasks = self.tasks.borrow_mut().clear();
        for task in tasks {
            // A destructor that panics must not keep the loop from closing its inbox.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        }
        while let Some(sent) = self.remote.inbox().drain_or_close() {
            drop(sent);
        }
        if completes(self.remote.id()) {
            unclaimed::forget_loop(self.remote.id());
        }
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loop({}, {})", self.id(), self.driver())
    }
}
