//! Links: the state of one Deferred, its result, and the callback that takes it.
//!
//! ```text
//!   Pending ──callback added──► Callback ──result──► Ready ──step run──┐
//!      │ ╲────awaited─────────► Awaited ───result──► Fired             │
//!      │  ╲───returned by a callback──► Forward ──result goes to the ──┤
//!      │                                          link that waits      ▼
//!      └──result──► Fired ──callback added, awaited or dropped ────► Consumed
//! ```
//!
//! A link that fires while a callback waits does not run that callback. Instead, the link itself is returned
//! as a [`Step`], and the outermost caller runs steps until none is left. A chain of any length, whatever its
//! callbacks return, needs one stack frame.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use crate::deferred::Failure;
use crate::deferred::cancelled::Reason;
use crate::deferred::chain::{Chain, CreatedAt, Origin, WaitsFor};
use crate::deferred::unhandled::report;

/// The result of a link.
pub(crate) struct Fired<T, E> {
    pub(crate) result: Result<T, E>,
    /// Whether the result is a failure that follows from a cancel, and is not reported as unhandled.
    pub(crate) quiet: bool,
}

impl<T, E: Failure> Fired<T, E> {
    pub(crate) fn new(result: Result<T, E>) -> Fired<T, E> {
        let quiet = false;
        Fired { result, quiet }
    }

    pub(crate) fn cancelled(reason: Reason) -> Fired<T, E> {
        Fired::new(Err(E::from(reason.into())))
    }

    /// Drops the result, and reports a failure as unhandled unless it is quiet.
    pub(crate) fn discard(self, created_at: CreatedAt) {
        if let Err(error) = self.result
            && !self.quiet
        {
            report(&error, created_at);
        }
    }
}

/// The link whose callback runs next, if there is one.
pub(crate) type Step = Option<Rc<dyn Runnable>>;

/// A link that is in the state `Ready`.
pub(crate) trait Runnable {
    /// Runs the callback once, and returns the next step.
    fn run(self: Rc<Self>) -> Step;
}

/// Runs `step` and all steps that follow from it.
pub(crate) fn run(mut step: Step) {
    while let Some(runnable) = step {
        step = runnable.run();
    }
}

type Callback<T, E> = Box<dyn FnOnce(Fired<T, E>) -> Step>;

#[derive(Default)]
pub(crate) enum State<T, E: Failure> {
    /// The result was taken, or went to another link.
    #[default]
    Consumed,
    /// There is no result, and nothing waits for it.
    Pending,
    /// The callback waits for the result.
    Callback(Callback<T, E>),
    /// A callback returned this Deferred, and the result goes to the link that waits for it.
    Forward(Rc<Link<T, E>>),
    /// A flow waits for the result.
    Awaited(Waker),
    /// The result is here.
    Fired(Fired<T, E>),
    /// The result is here, and the callback runs in the next step.
    Ready(Fired<T, E>, Callback<T, E>),
}

/// One Deferred: a link of a chain.
pub(crate) struct Link<T, E: Failure> {
    pub(crate) state: Cell<State<T, E>>,
    pub(crate) chain: Rc<Chain>,
}

impl<T: 'static, E: Failure> Link<T, E> {
    pub(crate) fn new(state: State<T, E>, chain: Rc<Chain>) -> Rc<Link<T, E>> {
        let state = Cell::new(state);
        Rc::new(Link { state, chain })
    }

    /// Gives the link its result. A link that has one already keeps that.
    pub(crate) fn fire(self: Rc<Self>, mut fired: Fired<T, E>) -> Step {
        fired.quiet &= fired.result.is_err();
        let mut link = self;
        loop {
            let (state, waker) = match link.state.take() {
                State::Forward(next) => {
                    link.chain.waits_for.take();
                    link = next;
                    continue;
                }
                State::Pending => (State::Fired(fired), None),
                State::Awaited(waker) => (State::Fired(fired), Some(waker)),
                State::Callback(callback) => (State::Ready(fired, callback), None),
                done => {
                    link.state.set(done);
                    return None;
                }
            };
            let ready = matches!(state, State::Ready(..));
            link.state.set(state);
            link.chain.waits_for.take();
            if let Some(waker) = waker {
                waker.wake();
            }
            return if ready { Some(link) } else { None };
        }
    }

    /// Gives the link the result of `inner`, now or when `inner` fires.
    pub(crate) fn follow(self: Rc<Self>, inner: Rc<Link<T, E>>) -> Step {
        match inner.state.take() {
            State::Fired(fired) => return self.fire(fired),
            State::Pending => inner.state.set(State::Pending),
            _ => unreachable!("waiting for a Deferred consumes it"),
        }
        if Rc::ptr_eq(&inner.chain, &self.chain) {
            return self.fire(Fired::cancelled(Reason::Cycle));
        }
        let mut target = self;
        loop {
            target
                .chain
                .waits_for
                .set(WaitsFor::Chain(inner.chain.clone()));
            // A link that only forwards is left out. A callback that returns the next round's Deferred would
            // otherwise make a chain that grows with each round.
            match target.state.take() {
                State::Forward(next) => target = next,
                state => {
                    target.state.set(state);
                    break;
                }
            }
        }
        inner.state.set(State::Forward(target));
        None
    }

    /// Calls `callback` with the result, now or when the link fires.
    pub(crate) fn add(&self, callback: impl FnOnce(Fired<T, E>) -> Step + 'static) {
        match self.state.take() {
            State::Fired(fired) => run(callback(fired)),
            State::Pending => self.state.set(State::Callback(Box::new(callback))),
            _ => unreachable!("waiting for a Deferred consumes it"),
        }
    }
}

impl<T: 'static, E: Failure> Runnable for Link<T, E> {
    fn run(self: Rc<Self>) -> Step {
        match self.state.take() {
            State::Ready(fired, callback) => callback(fired),
            _ => unreachable!("a link is a step only when it is ready, and steps are run once"),
        }
    }
}

impl<T: 'static, E: Failure> Origin for Link<T, E> {
    fn cancel(self: Rc<Self>) {
        let mut fired = Fired::cancelled(Reason::Requested);
        fired.quiet = true;
        run(self.fire(fired));
    }

    fn fail(self: Rc<Self>) {
        let mut fired = Fired::cancelled(Reason::Dropped);
        // A canceller may drop the resolver.
        fired.quiet = self.chain.cancelled.get();
        run(self.fire(fired));
    }
}

impl<T, E: Failure> Drop for Link<T, E> {
    fn drop(&mut self) {
        if let State::Fired(fired) = self.state.take() {
            fired.discard(self.chain.created_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Deferred;
    use std::rc::Rc;

    #[test]
    fn a_link_that_only_forwards_is_freed() {
        let (first, fire_first) = Deferred::<u32, String>::new();
        let (second, fire_second) = Deferred::new();
        let (third, fire_third) = Deferred::new();
        let round = first.add_callback(|_| second.add_callback(|_| third));
        let link = Rc::downgrade(&round.0);
        let outer = Deferred::succeed(0).add_callback(|_| round);
        assert!(link.upgrade().is_some());
        fire_first.callback(1);
        assert!(link.upgrade().is_none());
        fire_second.callback(2);
        fire_third.callback(3);
        let mut outer = std::pin::pin!(outer.into_future());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let polled = Future::poll(outer.as_mut(), &mut context);
        assert_eq!(polled, std::task::Poll::Ready(Ok(3)));
    }
}
