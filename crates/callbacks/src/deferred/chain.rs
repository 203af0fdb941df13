//! Chains: the links that come from one origin, and what they wait for.

use std::cell::Cell;
use std::panic::Location;
use std::rc::{Rc, Weak};

use crate::deferred::nested::Cancel;

/// Where a Deferred was created.
pub(crate) type CreatedAt = &'static Location<'static>;

/// The state that all links of one origin share.
pub(crate) struct Chain {
    pub(crate) waits_for: Cell<WaitsFor>,
    /// Whether the origin was cancelled.
    pub(crate) cancelled: Cell<bool>,
    pub(crate) created_at: CreatedAt,
}

/// The thing that a chain waits for.
#[derive(Default)]
pub(crate) enum WaitsFor {
    #[default]
    Nothing,
    /// The origin, and the canceller of its work.
    Origin(Weak<dyn Origin>, Option<Box<dyn FnOnce()>>),
    /// The chain of a Deferred that a callback returned.
    Chain(Rc<Chain>),
}

/// The link that a resolver fires.
pub(crate) trait Origin {
    /// Fires the link as cancelled, unless it has fired.
    fn cancel(self: Rc<Self>);

    /// Fails the link because its resolver was dropped, unless it has fired.
    fn fail(self: Rc<Self>);
}

impl Chain {
    pub(crate) fn new(created_at: CreatedAt) -> Rc<Chain> {
        Rc::new(Chain {
            waits_for: Cell::default(),
            cancelled: Cell::new(false),
            created_at,
        })
    }

    /// Returns the chain that this one waits for.
    fn next(&self) -> Option<Rc<Chain>> {
        let waits_for = self.waits_for.take();
        let next = match &waits_for {
            WaitsFor::Chain(next) => Some(next.clone()),
            _ => None,
        };
        self.waits_for.set(waits_for);
        next
    }

    /// Cancels the origin at the end of the chains that wait for each other. The search ends at a cycle,
    /// which has no origin.
    pub(crate) fn cancel(self: &Rc<Self>) {
        // Brent's algorithm: `mark` moves on to `chain` after 1, 2, 4 … steps, and a cycle comes back to it.
        let (mut chain, mut mark) = (self.clone(), self.clone());
        let (mut steps, mut limit) = (0, 1);
        while let Some(next) = chain.next() {
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
        let WaitsFor::Origin(origin, canceller) = chain.waits_for.take() else {
            return;
        };
        chain.cancelled.set(true);
        let origin = origin.upgrade();
        Cancel { canceller, origin }.happen();
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // Chains are dropped in a loop, because a recursion could be deeper than the stack.
        let mut waits_for = self.waits_for.take();
        while let WaitsFor::Chain(chain) = waits_for {
            waits_for =
                Rc::into_inner(chain).map_or(WaitsFor::Nothing, |chain| chain.waits_for.take());
        }
    }
}
