//! Where a Deferred's result is put, and what goes on from there.
//!
//! Each Deferred is a [`Slot`]. A slot that is settled while something waits for it does not run that:
//! it hands itself back as a [`Step`], and whoever began runs steps until there is none. So a chain
//! of any length, and whatever its callbacks return, needs one frame of stack.
//!
//! All slots that came from one origin by `add_*` share a [`Chain`], which knows what they wait for.

use std::cell::Cell;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::task::Waker;

use crate::deferred::Failure;
use crate::deferred::canceller::Why;
use crate::deferred::unhandled::report;

/// Where a Deferred was made.
pub(crate) type Name = &'static Location<'static>;

/// A result on its way, and whether it is a failure that follows from a cancel: nobody needs to be
/// told of that one.
pub(crate) struct Settled<T, E> {
    pub(crate) result: Result<T, E>,
    pub(crate) quiet: bool,
}

impl<T, E: Failure> Settled<T, E> {
    pub(crate) fn new(result: Result<T, E>) -> Settled<T, E> {
        let quiet = false;
        Settled { result, quiet }
    }

    pub(crate) fn cancelled(why: Why) -> Settled<T, E> {
        Settled::new(Err(E::from(why.into())))
    }

    /// Nobody takes it: if it is a failure, that is told.
    pub(crate) fn report(self, made: Name) {
        if let Err(error) = self.result
            && !self.quiet
        {
            report(&error, made);
        }
    }
}

/// What is to run next, if anything.
pub(crate) type Step = Option<Rc<dyn Due>>;

pub(crate) trait Due {
    fn run(self: Rc<Self>) -> Step;
}

pub(crate) fn run(mut step: Step) {
    while let Some(due) = step {
        step = due.run();
    }
}

type Then<T, E> = Box<dyn FnOnce(Settled<T, E>) -> Step>;

#[derive(Default)]
pub(crate) enum State<T, E: Failure> {
    /// The result was taken, or goes elsewhere.
    #[default]
    Over,
    /// Not settled, and nobody waits.
    Idle,
    Then(Then<T, E>),
    /// A callback returned this Deferred: its result is the other's.
    Forward(Rc<Slot<T, E>>),
    Wake(Waker),
    Settled(Settled<T, E>),
    Due(Settled<T, E>, Then<T, E>),
}

pub(crate) struct Slot<T, E: Failure> {
    pub(crate) state: Cell<State<T, E>>,
    pub(crate) chain: Rc<Chain>,
}

impl<T: 'static, E: Failure> Slot<T, E> {
    pub(crate) fn new(state: State<T, E>, chain: Rc<Chain>) -> Rc<Slot<T, E>> {
        let state = Cell::new(state);
        Rc::new(Slot { state, chain })
    }

    /// Gives it its result. One that has a result already keeps it.
    pub(crate) fn settle(self: Rc<Self>, mut settled: Settled<T, E>) -> Step {
        settled.quiet &= settled.result.is_err();
        let mut slot = self;
        loop {
            let (state, waker) = match slot.state.take() {
                State::Forward(next) => {
                    slot.chain.waits.take();
                    slot = next;
                    continue;
                }
                State::Idle => (State::Settled(settled), None),
                State::Wake(waker) => (State::Settled(settled), Some(waker)),
                State::Then(then) => (State::Due(settled, then), None),
                done => {
                    slot.state.set(done);
                    return None;
                }
            };
            let due = matches!(state, State::Due(..));
            slot.state.set(state);
            slot.chain.waits.take();
            if let Some(waker) = waker {
                waker.wake();
            }
            return if due { Some(slot) } else { None };
        }
    }

    /// Its result will be that of `inner`.
    pub(crate) fn follow(self: Rc<Self>, inner: Rc<Slot<T, E>>) -> Step {
        match inner.state.take() {
            State::Settled(settled) => return self.settle(settled),
            State::Idle => inner.state.set(State::Idle),
            _ => unreachable!("a Deferred that somebody waits for was consumed by that"),
        }
        if Rc::ptr_eq(&inner.chain, &self.chain) {
            return self.settle(Settled::cancelled(Why::Cycle));
        }
        let mut target = self;
        loop {
            target.chain.waits.set(Waits::On(inner.chain.clone()));
            // A slot that only hands on is left out: a loop of callbacks that return the next
            // round's Deferred would be a line of them without end.
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

    /// Hands the result to `then`: now if it is there, else when it comes.
    pub(crate) fn then(&self, then: impl FnOnce(Settled<T, E>) -> Step + 'static) {
        match self.state.take() {
            State::Settled(settled) => run(then(settled)),
            State::Idle => self.state.set(State::Then(Box::new(then))),
            _ => unreachable!("a Deferred that somebody waits for was consumed by that"),
        }
    }
}

impl<T: 'static, E: Failure> Due for Slot<T, E> {
    fn run(self: Rc<Self>) -> Step {
        match self.state.take() {
            State::Due(settled, then) => then(settled),
            _ => unreachable!("a slot is a step only when it is due, and steps are run once"),
        }
    }
}

impl<T, E: Failure> Drop for Slot<T, E> {
    fn drop(&mut self) {
        if let State::Settled(settled) = self.state.take() {
            settled.report(self.chain.made);
        }
    }
}

/// A line of slots from one origin.
pub(crate) struct Chain {
    pub(crate) waits: Cell<Waits>,
    /// Whether its origin was cancelled.
    pub(crate) cancelled: Cell<bool>,
    pub(crate) made: Name,
}

/// What a chain waits for.
#[derive(Default)]
pub(crate) enum Waits {
    #[default]
    Nothing,
    Origin(Weak<dyn Origin>, Option<Box<dyn FnOnce()>>),
    On(Rc<Chain>),
}

/// The slot that a resolver fires.
pub(crate) trait Origin {
    /// Settles it as cancelled, unless it is settled.
    fn give_up(self: Rc<Self>);
}

impl<T: 'static, E: Failure> Origin for Slot<T, E> {
    fn give_up(self: Rc<Self>) {
        let mut settled = Settled::cancelled(Why::Asked);
        settled.quiet = true;
        run(self.settle(settled));
    }
}

impl Chain {
    pub(crate) fn new(made: Name) -> Rc<Chain> {
        Rc::new(Chain {
            waits: Cell::default(),
            cancelled: Cell::new(false),
            made,
        })
    }

    /// The chain that this one waits for.
    fn next(&self) -> Option<Rc<Chain>> {
        let waits = self.waits.take();
        let next = match &waits {
            Waits::On(next) => Some(next.clone()),
            _ => None,
        };
        self.waits.set(waits);
        next
    }

    pub(crate) fn cancel(self: &Rc<Self>) {
        let (mut chain, mut mark) = (self.clone(), self.clone());
        let (mut steps, mut limit) = (0, 1);
        while let Some(next) = chain.next() {
            // Two that wait for each other have no origin to cancel, and the way there no end.
            if Rc::ptr_eq(&next, &mark) {
                return;
            }
            steps += 1;
            if steps == limit {
                mark = next.clone();
                (steps, limit) = (0, limit * 2);
            }
            chain = next;
        }
        let Waits::Origin(origin, canceller) = chain.waits.take() else {
            return;
        };
        chain.cancelled.set(true);
        if let Some(canceller) = canceller {
            canceller();
        }
        if let Some(origin) = origin.upgrade() {
            origin.give_up();
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // One by one: the line may be longer than the stack is deep.
        let mut waits = self.waits.take();
        while let Waits::On(chain) = waits {
            waits = Rc::into_inner(chain).map_or(Waits::Nothing, |chain| chain.waits.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Deferred;
    use std::rc::Rc;

    #[test]
    fn a_slot_that_only_hands_on_is_left_out() {
        let (first, fire_first) = Deferred::<u32, String>::new();
        let (second, fire_second) = Deferred::new();
        let (third, fire_third) = Deferred::new();
        let round = first.add_callback(|_| second.add_callback(|_| third));
        let slot = Rc::downgrade(&round.0);
        let outer = Deferred::succeed(0).add_callback(|_| round);
        assert!(slot.upgrade().is_some());
        fire_first.callback(1);
        assert!(slot.upgrade().is_none());
        fire_second.callback(2);
        fire_third.callback(3);
        let mut outer = std::pin::pin!(outer.into_future());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let polled = Future::poll(outer.as_mut(), &mut context);
        assert_eq!(polled, std::task::Poll::Ready(Ok(3)));
    }
}
