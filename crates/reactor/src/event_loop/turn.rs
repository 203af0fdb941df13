//! The steps of a turn, and runs of turns.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_driver::Event;

use crate::budget::Credit;
use crate::event_loop::registry::{Direction, Dispatch};
use crate::event_loop::remote::{Request, Sent};
use crate::event_loop::sockets::Sockets;
use crate::event_loop::task::id::TaskId;
use crate::event_loop::{Item, Loop, Root, TimerEvent};
use crate::hooks::{Name, Stall, TurnReport};

impl Loop {
    /// Runs turns until [`stop`](Loop::stop) is called. Blocks this thread.
    ///
    /// # Errors
    /// The driver's error, if its wait fails.
    ///
    /// # Panics
    /// On a thread where a loop runs already.
    pub fn run_forever(&self) -> io::Result<()> {
        self.run(false)
    }

    /// Runs turns until no callback, timer, task or callback of a descriptor is left, or until
    /// [`stop`](Loop::stop) is called. Blocks this thread.
    ///
    /// # Errors
    /// The driver's error, if its wait fails.
    ///
    /// # Panics
    /// On a thread where a loop runs already.
    pub fn run_until_empty(&self) -> io::Result<()> {
        self.run(true)
    }

    fn is_empty(&self) -> bool {
        let inner = &self.0;
        inner.ready.borrow().is_empty()
            && inner.timers.borrow().is_empty()
            && inner.tasks.borrow().is_empty()
            && inner.registry.borrow().callbacks() == 0
            && !inner.remote.inbox().was_notified()
    }

    fn run(&self, until_empty: bool) -> io::Result<()> {
        let _entered = self.enter();
        self.0.until_empty.set(until_empty);
        while !self.0.stopping.get() {
            if until_empty && self.is_empty() {
                break;
            }
            self.turn(None)?;
        }
        Ok(())
    }

    /// Runs `future` and the loop on this thread until the future completes, and returns its output. Tasks
    /// that have not ended by then continue in the next run. Blocks this thread.
    ///
    /// # Errors
    /// The driver's error, if its wait fails.
    ///
    /// # Panics
    /// On a thread where a loop runs already; if the future panics.
    ///
    /// ```
    /// use switchboard_reactor::{Driver, Loop};
    ///
    /// let lp = Loop::new(Driver::best())?;
    /// let task = lp.spawn(async { "from a task" });
    /// assert_eq!(lp.block_on(async { task.await.len() })?, 11);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn block_on<F: Future>(&self, future: F) -> io::Result<F::Output> {
        let _entered = self.enter();
        self.0.root.set(Root::Woken);
        let waker = TaskId::root(self.id()).waker();
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            self.0.credit.set(Credit::FULL);
            if self.0.root.replace(Root::Waiting) == Root::Woken
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return Ok(output);
            }
            self.turn(None)?;
            // The run ends when its future completes; `stop` has no effect on it.
            self.0.stopping.set(false);
        }
    }

    /// Runs one turn. Blocks until an event, a timer or a notification, for at most `limit`.
    ///
    /// # Errors
    /// The driver's error, if its wait fails; the other steps of the turn happen nevertheless.
    pub fn turn(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.stopwatch.restart();
        // 1. Expired timers run.
        let timers = self.run_timers();
        // 2. Ready callbacks and tasks run; those that they add run in the next turn.
        let budget = self.0.budget.get().ready;
        let batch = self.0.ready.borrow().len().min(budget);
        for _ in 0..batch {
            let item = self.0.ready.borrow_mut().pop_front();
            self.run_item(item);
        }
        // 3. The loop waits.
        let mut events = self.0.events.take();
        let timeout = self.timeout(limit);
        let waited = self.0.poller.borrow_mut().wait(&mut events, timeout);
        self.0.now.set(None);
        self.0.stopwatch.restart();
        // 4. Events are dispatched.
        let report = TurnReport {
            timers,
            ran: batch,
            events: events.len(),
        };
        for event in events.drain(..) {
            self.dispatch(event);
        }
        self.0.events.replace(events);
        if self.completes() {
            self.wake_writers();
        }
        if !self.0.releasing.borrow().is_empty() {
            self.finish_releases();
        }
        // 5. Calls and wakes from other threads are received.
        if self.0.remote.inbox().was_notified() {
            self.receive(|request| request(self));
        }
        self.hooks().turn(&report);
        waited
    }

    fn run_timers(&self) -> usize {
        if self.0.timers.borrow().is_empty() {
            return 0;
        }
        let now = self.now();
        let last = self.0.timers.borrow().next_seq();
        let mut ran = 0;
        loop {
            let due = self.0.timers.borrow_mut().pop(now, last);
            match due {
                None => return ran,
                Some(TimerEvent::Wake(waker)) => waker.wake(),
                Some(TimerEvent::Call(call, name)) => self.run_named(name, call),
            }
            ran += 1;
        }
    }

    fn run_item(&self, item: Option<Item>) {
        match item {
            None => {}
            Some(Item::Task(task)) => self.run_task(task),
            Some(Item::Call(key)) => {
                let call = self.0.calls.borrow_mut().take(key);
                if let Some((call, name)) = call {
                    self.run_named(name, call);
                }
            }
        }
    }

    /// Runs code of a user, which may panic and may take long; reports both to the hooks.
    pub(crate) fn run_named(&self, name: Name, f: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(f)).is_err() {
            self.hooks().panic(name);
        }
        self.check_stall(name);
    }

    /// Reports a stall if the callback or task poll that just ended took too long.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn check_stall(&self, name: Name) {
        if let Some(held) = self.0.stopwatch.lap() {
            self.report_stall(name, held);
        }
    }

    #[cold]
    fn report_stall(&self, name: Name, held: Duration) {
        if held >= self.0.budget.get().stall {
            self.hooks().stall(&Stall { name, held });
        }
    }

    fn timeout(&self, limit: Option<Duration>) -> Option<Duration> {
        let ending = self.0.stopping.get() || (self.0.until_empty.get() && self.is_empty());
        let ending = ending || self.0.root.get() == Root::Woken;
        if ending || !self.0.ready.borrow().is_empty() {
            return Some(Duration::ZERO);
        }
        let next = self.0.timers.borrow().next_deadline();
        let timer = next.map(|due| {
            // The turn's time is old by now: callbacks have run since.
            due.saturating_duration_since(self.time())
        });
        match (timer, limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn dispatch(&self, event: Event) {
        let dispatch = self.0.registry.borrow_mut().dispatch(event, &self.0.poller);
        match dispatch {
            Dispatch::Nothing => {}
            Dispatch::Task(task) if task.is_of(self.id()) => self.wake_task(task),
            Dispatch::Task(task) => task.wake(),
            Dispatch::Others => self.dispatch_to_others(event),
        }
    }

    fn dispatch_to_others(&self, event: Event) {
        let fired = {
            let mut poller = self.0.poller.borrow_mut();
            self.0.registry.borrow_mut().fire(event, &mut **poller)
        };
        let Some(fired) = fired else { return };
        let callbacks = fired.callbacks;
        fired.wake();
        for direction in Direction::ALL {
            if callbacks.contains(direction.interest()) {
                // Looked up only now, because the callback before may have removed this one.
                let callback = self
                    .0
                    .registry
                    .borrow_mut()
                    .callback(event.token, direction);
                if let Some((callback, name)) = callback {
                    // In a turn within the callback itself, it is passed over; the next turn tells it again.
                    if let Ok(mut callback) = callback.try_borrow_mut() {
                        self.run_named(name, || callback(event.ready));
                    }
                }
            }
        }
    }

    pub(crate) fn receive(&self, mut answer: impl FnMut(Request)) {
        let mut sent = self.0.sent.take();
        self.0.remote.inbox().drain(&mut sent);
        for one in sent.drain(..) {
            match one {
                Sent::Wake(task) => self.wake_task(task),
                Sent::Call(call, name) => {
                    let key = self.0.calls.borrow_mut().add(call, name);
                    self.0.ready.borrow_mut().push_back(Item::Call(key));
                }
                Sent::Request(request) => answer(request),
            }
        }
        self.0.sent.replace(sent);
    }
}
