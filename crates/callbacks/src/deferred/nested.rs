//! Cancellers that cancel further Deferreds, one after the other.
//!
//! A canceller may cancel a Deferred whose canceller cancels yet another. Such a cancel is put off until the
//! canceller that asks for it has returned, so that a sequence of any length needs constant stack. The Deferred
//! of a canceller fails after those that the canceller cancels.

use std::cell::RefCell;
use std::rc::Rc;

use crate::deferred::chain::Origin;

/// The call of a canceller, and the failure that follows it.
pub(super) struct Cancel {
    pub(super) canceller: Option<Box<dyn FnOnce()>>,
    pub(super) origin: Option<Rc<dyn Origin>>,
}

enum Step {
    Call(Cancel),
    Fail(Rc<dyn Origin>),
}

thread_local! {
    /// The cancels that the canceller which runs asks for; `None` while none runs.
    static ASKED: RefCell<Option<Vec<Step>>> = const { RefCell::new(None) };
}

impl Cancel {
    /// Carries the cancel out: now, or, within a canceller, when that has returned.
    pub(super) fn happen(self) {
        let mut first = Some(Step::Call(self));
        // A thread that ends puts nothing off.
        let _ = ASKED.try_with(|asked| {
            if let Some(asked) = &mut *asked.borrow_mut() {
                asked.extend(first.take());
            }
        });
        let mut steps = Vec::from_iter(first);
        while let Some(step) = steps.pop() {
            match step {
                Step::Fail(origin) => origin.cancel(),
                Step::Call(Cancel { canceller, origin }) => {
                    steps.extend(origin.map(Step::Fail));
                    if let Some(canceller) = canceller {
                        // The first that was asked for is the next step.
                        steps.extend(Asking::begin().call(canceller).into_iter().rev());
                    }
                }
            }
        }
    }
}

/// Ends the list of what a canceller asks for, also if the canceller panics.
struct Asking;

impl Asking {
    fn begin() -> Asking {
        let _ = ASKED.try_with(|asked| asked.replace(Some(Vec::new())));
        Asking
    }

    /// Calls `canceller`, and returns what it asks for.
    fn call(self, canceller: Box<dyn FnOnce()>) -> Vec<Step> {
        canceller();
        let asked = ASKED.try_with(|asked| asked.take());
        asked.ok().flatten().unwrap_or_default()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // Dropped without a borrow, since that may run code which cancels.
        let left = ASKED.try_with(|asked| asked.take());
        drop(left);
    }
}
