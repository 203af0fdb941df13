//! The loop: what it is made of, and what can be asked of it.

mod calls;
mod current;
mod descriptor;
mod fd_callbacks;
mod operations;
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
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use switchboard_driver::{Driver, Event, Poller};

use crate::budget::{Budget, Credit};
use crate::hooks::{Hooks, Name, Quiet};
use crate::stopwatch::Stopwatch;
use crate::timers::Timers;

use calls::{Call, CallKey, Calls};
use current::Current;
use registry::Registry;
use remote::Sent;
use task::{TaskKey, Tasks};
use unclaimed::Releasing;

pub use calls::Handle;
pub use descriptor::Descriptor;
pub use registry::{Direction, Registration};
pub use remote::{Remote, completes};
pub use sockets::{Sockets, SystemCall, Transfer, uninterrupted};
pub use task::{Outcome, Task};

enum Item {
    Task(TaskKey),
    Call(CallKey),
}

/// What an expired timer does.
enum TimerEvent {
    Call(Call, Name),
    Wake(Waker),
}

struct Inner {
    id: u32,
    completes: bool,
    remote: Remote,
    poller: RefCell<Box<dyn Poller>>,
    registry: RefCell<Registry>,
    timers: RefCell<Timers<TimerEvent>>,
    calls: RefCell<Calls>,
    tasks: RefCell<Tasks>,
    ready: RefCell<VecDeque<Item>>,
    events: RefCell<Vec<Event>>,
    sent: RefCell<Vec<Sent>>,
    now: Cell<Option<Instant>>,
    /// Runs since what runs now began, for the stall report.
    stopwatch: Stopwatch,
    root: Cell<Root>,
    stopping: Cell<bool>,
    until_empty: Cell<bool>,
    budget: Cell<Budget>,
    hooks: RefCell<Arc<dyn Hooks>>,
    wakers: RefCell<Vec<Waker>>,
    releasing: RefCell<Vec<Releasing>>,
    /// What is left of the running task's budget.
    credit: Cell<Credit>,
    driver: Driver,
}

/// The future of `block_on`, if one runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Absent,
    Waiting,
    /// To be polled before the loop waits.
    Woken,
}

/// An event loop: one driver, its timers, callbacks and tasks, on one thread.
///
/// A clone is the same loop.
#[derive(Clone)]
pub struct Loop(Rc<Inner>);

impl Loop {
    /// A loop that waits with `driver`.
    ///
    /// # Errors
    /// As [`Driver::open`].
    pub fn new(driver: Driver) -> io::Result<Loop> {
        driver.open().map(Loop::with_poller)
    }

    /// A loop that waits with this very poller, such as a seeded `Sim`.
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
            hooks: RefCell::new(Arc::new(Quiet)),
            wakers: RefCell::default(),
            releasing: RefCell::default(),
            credit: Cell::new(Credit::FULL),
        }))
    }

    /// The loop that runs on this thread, if one does.
    pub fn current() -> Option<Loop> {
        Loop::with_current(|lp| lp.cloned())
    }

    /// Calls `f` with the loop that runs on this thread.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&Loop>) -> R) -> R {
        current::with(f)
    }

    /// The driver it waits with.
    pub fn driver(&self) -> Driver {
        self.0.driver
    }

    /// A handle on this loop for other threads.
    pub fn remote(&self) -> Remote {
        self.0.remote.clone()
    }

    /// The loop's number, unique in this process.
    #[inline]
    pub fn id(&self) -> u32 {
        self.0.id
    }

    #[inline]
    fn has_completion_driver(&self) -> bool {
        self.0.completes
    }

    /// Sets how much a turn does and what counts as a stall.
    pub fn set_budget(&self, budget: Budget) {
        self.0.budget.set(budget);
    }

    /// Sets who watches; replaces who did.
    pub fn set_hooks(&self, hooks: Arc<dyn Hooks>) {
        let old = self.0.hooks.replace(hooks);
        drop(old);
    }

    /// Who watches.
    pub fn hooks(&self) -> Arc<dyn Hooks> {
        self.0.hooks.borrow().clone()
    }

    /// The loop's time: read once a turn, virtual under the `sim` driver.
    pub fn now(&self) -> Instant {
        self.0.now.get().unwrap_or_else(|| {
            // No turn is under way, or this one has not asked yet.
            let now = self.time();
            if Loop::with_current(|current| current.is_some_and(|lp| lp.id() == self.id())) {
                self.0.now.set(Some(now));
            }
            now
        })
    }

    /// The time at this moment: what a delay counts from, since a callback may have run for long.
    pub fn time(&self) -> Instant {
        self.0.poller.borrow().now()
    }

    fn push(&self, item: Item) {
        self.0.ready.borrow_mut().push_back(item);
    }

    /// Ends the run under way after this turn.
    pub fn stop(&self) {
        self.0.stopping.set(true);
    }

    fn enter(&self) -> Entered {
        let current = Current::enter(self.clone());
        self.0.stopping.set(false);
        if self.completes() {
            self.restore_unclaimed();
        }
        Entered(Some(current))
    }
}

/// While it lives, the loop is this thread's current one.
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
        // From here on a dropped socket or timer finds no loop to tell.
        self.remote.retire();
        self.ready.take();
        // Their destructors may wake or cancel others, which finds no loop.
        let tasks = self.tasks.borrow_mut().clear();
        drop(tasks);
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
