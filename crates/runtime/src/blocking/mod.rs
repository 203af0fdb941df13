//! Blocking flows: a thread that polls its future, and blocks for exactly what the future waits for.
//!
//! A read that is polled with the flow's own waker makes no system call at first: it becomes a *pending
//! operation* of the flow. When the future returns `Pending`, the flow chooses how the thread waits:
//!
//! ```text
//!   pending operations   timers   waker held elsewhere   the flow
//!   one                  none     no                     polls again with permission to block: one `recv`
//!   none                 some     no                     sleeps until the next timer
//!   any other case                                       waits in poll(2) for the operations, the
//!                                                        next timer and the flow's notifier
//! ```
//!
//! In the first case nothing but this operation can end the wait, so blocking in its system call misses
//! no event. The permission is for that operation only.

pub(crate) mod parker;
mod pending;
mod wait;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use switchboard_reactor::plumbing::Posts;
use switchboard_reactor::{Loop, Timers};

use self::parker::Parker;
pub(crate) use self::pending::Attempt;
use self::pending::PendingOperation;
use crate::model::Model;

/// A blocking flow: the operations and timers that it waits for, and the means to wake its thread.
pub(crate) struct BlockingFlow {
    id: u64,
    parker: Arc<Parker>,
    waker: Waker,
    pending: RefCell<Vec<PendingOperation>>,
    /// The wakers that timers call; `None` stands for the flow's own.
    timers: RefCell<Timers<Option<Waker>>>,
    /// The permission to block in the system call of the one pending operation.
    may_block: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<BlockingFlow>>> = const { RefCell::new(None) };
    /// Whether a blocking flow runs here. Every operation reads this flag first, because on a loop's
    /// thread the answer is no.
    static BLOCKING: Cell<bool> = const { Cell::new(false) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Calls `f` with the blocking flow that runs on this thread, if there is one.
pub(crate) fn with<R>(f: impl FnOnce(Option<&BlockingFlow>) -> R) -> R {
    if !BLOCKING.get() {
        return f(None);
    }
    // A waker of another executor, which `f` may call or drop, may start a flow within this one.
    let flow = CURRENT.with(|current| current.borrow().clone());
    f(flow.as_deref())
}

/// Returns whether a blocking flow runs on this thread.
pub(crate) fn is_blocking() -> bool {
    BLOCKING.get()
}

/// Returns the loop that flows of this thread run on. A blocking flow does not run on a loop, even within
/// a task.
pub(crate) fn current_loop() -> Option<Loop> {
    (!BLOCKING.get()).then(Loop::current)?
}

/// A guard that hides this thread's blocking flow while a loop runs within it.
pub(crate) struct HideCurrent(bool);

impl HideCurrent {
    pub(crate) fn new() -> HideCurrent {
        HideCurrent(BLOCKING.replace(false))
    }
}

impl Drop for HideCurrent {
    fn drop(&mut self) {
        BLOCKING.set(self.0);
    }
}

/// Runs `future` as a blocking flow of `model` and returns its output.
pub(crate) fn run<F: Future>(model: Model, future: F) -> F::Output {
    match run_cancellable(model, Parker::new(), future) {
        Some(output) => output,
        None => unreachable!("only this flow holds its parker"),
    }
}

/// Runs `future` until it completes; returns `None` if `parker` cancelled the flow.
pub(crate) fn run_cancellable<F: Future>(
    model: Model,
    parker: Arc<Parker>,
    future: F,
) -> Option<F::Output> {
    let _entered = model.enter();
    if !BLOCKING.get() {
        // A blocking flow within a task blocks the loop, and may wait for an answer to bytes that other
        // tasks of this turn have posted.
        Loop::with_current(|lp| lp.map(Posts::flush_posted));
    }
    let flow = Rc::new(BlockingFlow::new(parker));
    let _current = RestoreCurrent(CURRENT.replace(Some(flow.clone())));
    BLOCKING.set(true);
    let mut context = Context::from_waker(&flow.waker);
    let mut future = pin!(future);
    loop {
        flow.parker.clear();
        if flow.parker.is_cancelled() {
            return None;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        flow.wait();
    }
}

impl BlockingFlow {
    fn new(parker: Arc<Parker>) -> BlockingFlow {
        BlockingFlow {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            waker: Waker::from(parker.clone()),
            parker,
            pending: RefCell::default(),
            timers: RefCell::default(),
            may_block: Cell::new(false),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

/// A guard that makes the previous flow current again, also after a panic.
struct RestoreCurrent(Option<Rc<BlockingFlow>>);

impl Drop for RestoreCurrent {
    fn drop(&mut self) {
        BLOCKING.set(self.0.is_some());
        CURRENT.replace(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;
    use crate::pipe::pipe;

    /// Runs a flow when it is woken, and keeps what that returns.
    #[derive(Default)]
    struct Runs(AtomicU64);

    impl Wake for Runs {
        fn wake(self: Arc<Self>) {
            let output = Model::Blocking.run(async { 7 }).unwrap();
            self.0.store(output, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_waker_may_run_a_flow_within_the_one_that_calls_it() {
        let (reader, _writer) = pipe().unwrap();
        let runs = Arc::<Runs>::default();
        let waker = Waker::from(runs.clone());
        let flow = async {
            let mut buffer = [0; 1];
            let mut read = Box::pin(reader.read(&mut buffer));
            assert!(
                read.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            // Others that wait for the same are woken.
            drop(read);
        };
        Model::Blocking.run(flow).unwrap();
        assert_eq!(runs.0.load(Ordering::Relaxed), 7);
    }
}
