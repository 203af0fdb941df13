//! Effects of drops, one after the other.
//!
//! A dropped resolver fails its chain, and a dropped future cancels its chain. The callbacks that run then may
//! drop further ones, and those yet others. An effect that is caused within another one is queued, and carried
//! out when that has ended, so that such a sequence of any length needs constant stack.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use crate::deferred::chain::{Chain, Origin};

/// The effect of a drop.
pub(super) enum Effect {
    /// A resolver was dropped.
    Fail(Rc<dyn Origin>),
    /// A future was dropped.
    Cancel(Rc<Chain>),
}

thread_local! {
    /// The effects that wait; `None` while none is being carried out.
    static QUEUE: RefCell<Option<VecDeque<Effect>>> = const { RefCell::new(None) };
}

impl Effect {
    fn carry_out(self) {
        match self {
            Effect::Fail(origin) => origin.fail(),
            Effect::Cancel(chain) => chain.cancel(),
        }
    }

    /// Carries the effect out: now, or, within another effect, after that.
    ///
    /// # Panics
    /// With the first panic of a callback, after all effects that wait were carried out.
    pub(super) fn happen(self) {
        let Some(first) = self.queue() else { return };
        let mut panic = carry_out(first);
        while let Some(next) = next() {
            let also = carry_out(next);
            panic = panic.or(also);
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Queues the effect if another one is being carried out; returns it otherwise.
    fn queue(self) -> Option<Effect> {
        let mut this = Some(self);
        // A thread that ends has no queue any more, and carries each effect out at once.
        let _ = QUEUE.try_with(|queue| match &mut *queue.borrow_mut() {
            Some(waiting) => waiting.extend(this.take()),
            none => *none = Some(VecDeque::new()),
        });
        this
    }
}

fn carry_out(effect: Effect) -> Option<Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| effect.carry_out())).err()
}

/// Takes the effect that waits longest; ends the queue if there is none.
fn next() -> Option<Effect> {
    let taken = QUEUE.try_with(|queue| {
        let mut queue = queue.borrow_mut();
        let next = queue.as_mut()?.pop_front();
        if next.is_none() {
            *queue = None;
        }
        next
    });
    taken.ok().flatten()
}
