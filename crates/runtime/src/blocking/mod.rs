//! Blocking flows: a thread that waits for exactly what its future asked for.
//!
//! A read polled with the flow's own waker only notes what it wants. When the future is pending:
//!
//! ```text
//!   wants noted   timers   waker held elsewhere   the flow
//!   one           none     no                     polls again with leave to block: one `recv`
//!   none          some     no                     sleeps
//!   else                                          waits in poll(2) for wants, timers and its bell
//! ```
//!
//! Leave is given to one operation by name. With nobody else holding the waker and nothing else
//! noted, nothing else could have ended the wait, so blocking in that call loses nothing.

pub(crate) mod parker;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_reactor::plumbing::{Descriptor, Sockets};
use switchboard_reactor::{Direction, Loop, TimerKey, Timers};

use crate::blocking::parker::Parker;
use crate::io::syscalls::poll_flags;
use crate::model::Model;

/// One operation that the flow's future waits for.
struct Want {
    source: Weak<Descriptor>,
    direction: Direction,
    /// The flow's own waker stands as `None`.
    waker: Option<Waker>,
    /// It was ready, or was given up, and isn't waited for. What is left is that it was asked for, so
    /// that it gets its chance when it is asked for again: else a branch that is dropped each time
    /// another is ready would never be tried.
    spent: bool,
}

impl Want {
    fn is(&self, source: &Arc<Descriptor>, direction: Direction) -> bool {
        self.direction == direction && std::ptr::eq(self.source.as_ptr(), Arc::as_ptr(source))
    }

    /// Whether it was noted with `waker`: two branches may wait for one direction, each with a note.
    fn is_of(&self, waker: Option<&Waker>) -> bool {
        match (&self.waker, waker) {
            (None, None) => true,
            (Some(a), Some(b)) => a.will_wake(b),
            _ => false,
        }
    }
}

/// What an operation is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Make the call and wait in it.
    Block,
    /// Make the call, but don't wait in it.
    Try,
    /// It has been noted; come again.
    Pending,
}

pub(crate) struct Blocker {
    id: u64,
    parker: Arc<Parker>,
    waker: Waker,
    wants: RefCell<Vec<Want>>,
    timers: RefCell<Timers<Option<Waker>>>,
    leave: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Blocker>>> = const { RefCell::new(None) };
    /// Whether that is some: every operation asks, and on a loop the answer is no.
    static BLOCKING: Cell<bool> = const { Cell::new(false) };
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Calls `f` with the blocking flow of this thread, if one runs.
pub(crate) fn with<R>(f: impl FnOnce(Option<&Blocker>) -> R) -> R {
    if !BLOCKING.get() {
        return f(None);
    }
    CURRENT.with(|current| f(current.borrow().as_deref()))
}

/// Whether a blocking flow runs on this thread.
pub(crate) fn is_blocking() -> bool {
    BLOCKING.get()
}

/// The loop that flows of this thread run on; none where a blocking flow runs, in a task too.
pub(crate) fn current_loop() -> Option<Loop> {
    (!BLOCKING.get()).then(Loop::current)?
}

/// While it lives, the blocking flow of this thread is out of sight: a loop runs within it.
pub(crate) struct Hidden(bool);

pub(crate) fn hide() -> Hidden {
    Hidden(BLOCKING.replace(false))
}

impl Drop for Hidden {
    fn drop(&mut self) {
        BLOCKING.set(self.0);
    }
}

/// Runs `future` as a blocking flow of `model`.
pub(crate) fn run<F: Future>(model: Model, future: F) -> F::Output {
    match run_cancellable(model, Parker::new(), future) {
        Some(output) => output,
        None => unreachable!("nobody else holds this flow's parker"),
    }
}

/// Runs `future` until it is done; `None` if it was cancelled.
pub(crate) fn run_cancellable<F: Future>(
    model: Model,
    parker: Arc<Parker>,
    future: F,
) -> Option<F::Output> {
    let _entered = model.enter();
    if !BLOCKING.get() {
        // A blocking flow within a task holds the loop, and may wait for what others have written.
        Loop::with_current(|lp| lp.map(Sockets::flush_posted));
    }
    let blocker = Rc::new(Blocker {
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        waker: Waker::from(parker.clone()),
        parker,
        wants: RefCell::default(),
        timers: RefCell::default(),
        leave: Cell::new(false),
    });
    let _current = Restore(CURRENT.replace(Some(blocker.clone())));
    BLOCKING.set(true);
    let mut context = Context::from_waker(&blocker.waker);
    let mut future = pin!(future);
    loop {
        blocker.parker.clear();
        if blocker.parker.is_cancelled() {
            return None;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        blocker.wait();
    }
}

struct Restore(Option<Rc<Blocker>>);

impl Drop for Restore {
    fn drop(&mut self) {
        BLOCKING.set(self.0.is_some());
        CURRENT.replace(self.0.take());
    }
}

impl Blocker {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// An operation asks what to do; see the top of this file.
    pub(crate) fn plan(
        &self,
        source: &Arc<Descriptor>,
        direction: Direction,
        waker: &Waker,
    ) -> Plan {
        let mut wants = self.wants.borrow_mut();
        let own = waker.will_wake(&self.waker);
        let kept = (!own).then_some(waker);
        let noted = wants
            .iter()
            .position(|want| want.is(source, direction) && want.is_of(kept));
        match noted {
            Some(at) if own && !wants[at].spent && self.leave.take() => {
                wants.swap_remove(at);
                Plan::Block
            }
            Some(at) => {
                // It is ready, or it is polled again before the flow could wait, as beside a
                // branch that never has to: it must get its chance.
                wants.swap_remove(at);
                Plan::Try
            }
            // Room to send is there almost always, and a waker of a combinator's means that the
            // flow waits for several things.
            None if direction == Direction::Write || !own => Plan::Try,
            None => {
                drop(wants);
                self.note(source, direction, waker);
                Plan::Pending
            }
        }
    }

    /// Notes an operation that would block.
    pub(crate) fn note(&self, source: &Arc<Descriptor>, direction: Direction, waker: &Waker) {
        // Leave was for a future that waits for one thing.
        self.leave.set(false);
        let waker = (!waker.will_wake(&self.waker)).then(|| waker.clone());
        let mut wants = self.wants.borrow_mut();
        let same = |want: &&mut Want| want.is(source, direction) && want.is_of(waker.as_ref());
        match wants.iter_mut().find(same) {
            Some(want) => want.spent = false,
            None => wants.push(Want {
                source: Arc::downgrade(source),
                direction,
                waker,
                spent: false,
            }),
        }
    }

    /// An operation was given up. Others may have shared its note: whoever is left is polled once
    /// more and makes its own.
    pub(crate) fn forget(&self, source: &Arc<Descriptor>, direction: Direction) {
        self.spend(|want| want.is(source, direction));
    }

    /// Ends the wait for the wants that `which` picks, and wakes whoever they belong to.
    fn spend(&self, which: impl Fn(&Want) -> bool) {
        let mut wakers = Vec::new();
        self.wants.borrow_mut().retain_mut(|want| {
            if want.spent || !which(want) {
                return true;
            }
            want.spent = true;
            let others = want.waker.take();
            let own = others.is_none();
            wakers.push(others.unwrap_or_else(|| self.waker.clone()));
            own
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn arm(&self, when: Instant, waker: &Waker) -> TimerKey {
        self.leave.set(false);
        let waker = (!waker.will_wake(&self.waker)).then(|| waker.clone());
        self.timers.borrow_mut().arm(when, waker)
    }

    pub(crate) fn disarm(&self, timer: TimerKey) {
        let waker = self.timers.borrow_mut().cancel(timer);
        drop(waker);
    }

    /// Waits until something that the future waits for has happened.
    fn wait(&self) {
        // The parker is held by the flow and by its waker. Counted before the look at `notified`:
        // whoever was the last to hold it besides has rung before it let go.
        let alone = Arc::strong_count(&self.parker) == 2;
        fence(Ordering::Acquire);
        if self.leave.take() || self.parker.was_notified() {
            // Leave that nobody used: what was noted is nobody's any more, but may be again.
            if self.parker.was_notified() {
                return;
            }
            return self.wait_many();
        }
        let (noted, own) = {
            let wants = self.wants.borrow();
            let live = wants.iter().filter(|want| !want.spent);
            let own = live.clone().all(|want| want.waker.is_none());
            (live.count(), own)
        };
        if alone && own && noted == 1 && self.timers.borrow().is_empty() {
            self.leave.set(true);
        } else if alone && noted == 0 && !self.timers.borrow().is_empty() {
            self.sleep();
        } else {
            self.wait_many();
        }
    }

    fn sleep(&self) {
        let next = self.timers.borrow().next_deadline();
        if let Some(next) = next {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.expire();
    }

    fn wait_many(&self) {
        // Upgraded for the time of the call, so that the descriptors stay what they are.
        self.wants
            .borrow_mut()
            .retain(|want| want.source.strong_count() > 0);
        let sources: Vec<(Arc<Descriptor>, PollFlags)> = self
            .wants
            .borrow()
            .iter()
            .filter(|want| !want.spent)
            .filter_map(|want| Some((want.source.upgrade()?, poll_flags(want.direction))))
            .collect();
        let mut ready = vec![false; sources.len()];
        self.parker.park(|bell| {
            let mut fds: Vec<PollFd<'_>> = sources
                .iter()
                .map(|(source, flags)| PollFd::from_borrowed_fd(source.fd(), *flags))
                .collect();
            fds.extend(bell.map(|bell| PollFd::new(bell, PollFlags::IN)));
            // An interrupted wait looks like one in which nothing was ready, and is repeated.
            let _ = rustix::event::poll(&mut fds, self.timeout(bell.is_none()).as_ref());
            if let Some(bell) = bell
                && fds.pop().is_some_and(|fd| !fd.revents().is_empty())
            {
                bell.drain();
            }
            ready = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        });
        for ((source, flag), _) in sources.iter().zip(ready).filter(|(_, ready)| *ready) {
            self.spend(|want| {
                want.is(source, want.direction) && poll_flags(want.direction) == *flag
            });
        }
        self.expire();
    }

    fn timeout(&self, without_bell: bool) -> Option<Timespec> {
        // Out of descriptors for a bell: look every 10 ms rather than fail.
        const TICK: Duration = Duration::from_millis(10);
        let next = self.timers.borrow().next_deadline();
        let wait = next.map(|next| next.saturating_duration_since(Instant::now()));
        let wait = match (wait, without_bell) {
            (Some(wait), true) => Some(wait.min(TICK)),
            (None, true) => Some(TICK),
            (wait, false) => wait,
        };
        wait.and_then(|wait| Timespec::try_from(wait).ok())
    }

    fn expire(&self) {
        if self.timers.borrow().is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let due = self.timers.borrow_mut().pop(now, u64::MAX);
            match due {
                None => break,
                Some(None) => {}
                Some(Some(waker)) => waker.wake(),
            }
        }
    }
}
