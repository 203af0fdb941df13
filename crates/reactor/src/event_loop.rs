//! The loop: what it is made of, and what can be asked of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use switchboard_driver::{Driver, Event, Poller};

use crate::budget::Credit;
use crate::calls::{Call, CallKey, Calls, Handle, Pending};
use crate::clock::Stopwatch;
use crate::current::{self, Current};
use crate::handoff::{self, Releasing};
use crate::hooks::{Hooks, Name, Quiet};
use crate::plumbing::Sockets;
use crate::registry::Registry;
use crate::remote::{Remote, Sent, completes};
use crate::task::waker::TaskId;
use crate::task::{TaskKey, Tasks};
use crate::timers::Timers;

/// How much one turn does before it looks at the kernel again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Callbacks and task polls.
    pub ready: usize,
    /// What may hold the loop before it is reported as a stall; below 10 ms the clock is too coarse.
    pub stall: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            ready: 1024,
            stall: Duration::from_millis(100),
        }
    }
}

pub(crate) enum Item {
    Task(TaskKey),
    Call(CallKey),
}

/// What an expired timer does.
pub(crate) enum TimerEvent {
    Call(Call, Name),
    Wake(Waker),
}

pub(crate) struct Inner {
    id: u32,
    completes: bool,
    pub(crate) remote: Remote,
    pub(crate) poller: RefCell<Box<dyn Poller>>,
    pub(crate) registry: RefCell<Registry>,
    pub(crate) timers: RefCell<Timers<TimerEvent>>,
    pub(crate) calls: RefCell<Calls>,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) ready: RefCell<VecDeque<Item>>,
    pub(crate) events: RefCell<Vec<Event>>,
    pub(crate) sent: RefCell<Vec<Sent>>,
    pub(crate) now: Cell<Option<Instant>>,
    /// Runs since what runs now began, for the stall report.
    pub(crate) stopwatch: Stopwatch,
    pub(crate) root: Cell<Root>,
    pub(crate) stopping: Cell<bool>,
    pub(crate) until_empty: Cell<bool>,
    pub(crate) budget: Cell<Budget>,
    pub(crate) hooks: RefCell<Arc<dyn Hooks>>,
    pub(crate) wakers: RefCell<Vec<Waker>>,
    pub(crate) releasing: RefCell<Vec<Releasing>>,
    /// What is left of the running task's budget.
    pub(crate) credit: Cell<Credit>,
    driver: Driver,
}

/// Wakes a task if its loop is the one that runs on this thread; returns whether that is so.
#[inline]
pub(crate) fn wake_local(task: TaskId) -> bool {
    Loop::with_current(|lp| match lp {
        Some(lp) if lp.id() == task.owner() => {
            lp.wake_task(task);
            true
        }
        _ => false,
    })
}

/// The future of `block_on`, if one runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Absent,
    Waiting,
    /// To be polled before the loop waits.
    Woken,
}

/// An event loop: one driver, its timers, callbacks and tasks, on one thread.
///
/// A clone is the same loop.
#[derive(Clone)]
pub struct Loop(pub(crate) Rc<Inner>);

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
            handoff::announce(remote.id());
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
    pub(crate) fn has_completion_driver(&self) -> bool {
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

    /// Runs `f` in the next turn, after what was scheduled before it.
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + 'static) -> Handle {
        let key = self
            .0
            .calls
            .borrow_mut()
            .add(Box::new(f), Location::caller());
        self.push(Item::Call(key));
        self.handle(Pending::Soon(key))
    }

    pub(crate) fn push(&self, item: Item) {
        self.0.ready.borrow_mut().push_back(item);
    }

    /// Runs `f` once `delay` has passed; never earlier.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> Handle {
        self.call_at(deadline(self.time(), delay), f)
    }

    /// Runs `f` at `when` by the loop's [time](Loop::now); at once if that has passed.
    #[track_caller]
    pub fn call_at(&self, when: Instant, f: impl FnOnce() + 'static) -> Handle {
        // Not before now: one that arms itself again in the past would keep the others behind it.
        let when = when.max(self.now());
        let event = TimerEvent::Call(Box::new(f), Location::caller());
        self.handle(Pending::Timer(self.0.timers.borrow_mut().arm(when, event)))
    }

    fn handle(&self, pending: Pending) -> Handle {
        Handle {
            inner: Rc::downgrade(&self.0),
            pending,
        }
    }

    /// Ends the run under way after this turn.
    pub fn stop(&self) {
        self.0.stopping.set(true);
    }

    pub(crate) fn enter(&self) -> Entered {
        let current = Current::enter(self.clone());
        self.0.stopping.set(false);
        if self.completes() {
            self.unpark();
        }
        Entered(Some(current))
    }
}

/// `now + delay`, or the far future where that would overflow.
pub(crate) fn deadline(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(delay).unwrap_or(now + CENTURY)
}

/// While it lives, the loop is this thread's current one.
pub(crate) struct Entered(Option<Current>);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(lp) = self.0.take().map(Current::leave) {
            if lp.completes() {
                lp.park();
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
            handoff::forget_loop(self.remote.id());
        }
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loop({}, {})", self.id(), self.driver())
    }
}
