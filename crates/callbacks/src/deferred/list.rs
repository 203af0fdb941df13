//! Lists: many Deferreds as one.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::deferred::canceller::Canceller;
use crate::deferred::slot::{Name, Settled, Step};
use crate::deferred::{Deferred, Failure, Resolver};

/// Waits for many Deferreds in one of three ways: for [all](DeferredList::all), for the
/// [first](DeferredList::first) success, or for [all successes](DeferredList::gather).
///
/// Cancelling the list's Deferred cancels those that have not fired. Nothing else does: those that
/// a list does not wait for any more go on, and their values are dropped.
///
/// ```
/// use switchboard_callbacks::{Deferred, DeferredList};
///
/// let (later, resolver) = Deferred::<u32, String>::new();
/// let list = [Deferred::succeed(1), later, Deferred::fail("no".to_owned())];
/// let sum = DeferredList::new(list).all().add_callback(|results| {
///     let good = results.into_iter().flatten();
///     Ok(assert_eq!(good.sum::<u32>(), 3))
/// });
/// resolver.callback(2);
/// # drop(sum);
/// ```
#[must_use = "the list's Deferred comes from `all`, `first` or `gather`"]
pub struct DeferredList<T: 'static, E: Failure> {
    parts: Vec<Deferred<T, E>>,
    consume_errors: bool,
}

/// What ends a list: whoever fires last, or first.
struct End<V: 'static, E: Failure> {
    resolver: Cell<Option<Resolver<V, E>>>,
    /// How many have not fired.
    left: Cell<usize>,
    consume_errors: bool,
}

impl<V: 'static, E: Failure> End<V, E> {
    /// Fires the list; what comes after that is left over.
    fn fire(&self, settled: Settled<V, E>, made: Name) -> Step {
        match self.resolver.take() {
            Some(mut resolver) => resolver.step(settled),
            None => self.leave(settled, made),
        }
    }

    /// This does not become part of the result.
    fn leave<T>(&self, settled: Settled<T, E>, made: Name) -> Step {
        if !self.consume_errors {
            settled.report(made);
        }
        None
    }
}

impl<T: 'static, E: Failure> DeferredList<T, E> {
    /// A list of `parts`.
    pub fn new(parts: impl IntoIterator<Item = Deferred<T, E>>) -> DeferredList<T, E> {
        DeferredList {
            parts: parts.into_iter().collect(),
            consume_errors: false,
        }
    }

    /// Whether errors that do not become part of the result are dropped in silence; by default they
    /// are [unhandled](crate::set_unhandled) ones.
    pub fn consume_errors(mut self, consume: bool) -> DeferredList<T, E> {
        self.consume_errors = consume;
        self
    }

    /// Fires when all have, with their results in the list's order; an empty list does so at once.
    /// It never fails: when it is cancelled, it fires with what there is.
    #[track_caller]
    pub fn all(self) -> Deferred<Vec<Result<T, E>>, E> {
        self.collect(Ok)
    }

    /// Fires when all have succeeded, with their values in the list's order, or fails with the first
    /// failure. An empty list fires at once.
    #[track_caller]
    pub fn gather(self) -> Deferred<Vec<T>, E> {
        self.collect(|result| result)
    }

    /// Fires with the first success and its index, or, if all fail, fails with the last failure.
    /// An empty list fails at once with [`Cancelled`](crate::Cancelled): nobody is left to fire it.
    #[track_caller]
    pub fn first(self) -> Deferred<(usize, T), E> {
        self.each(|end, index, made, Settled { result, quiet }| {
            let result = result.map(|value| (index, value));
            let settled = Settled { result, quiet };
            if settled.result.is_err() && end.left.get() > 0 {
                end.leave(settled, made)
            } else {
                end.fire(settled, made)
            }
        })
    }

    /// Collects what `pick` makes of the results; fails with the first failure among that.
    #[track_caller]
    fn collect<R: 'static>(
        self,
        pick: impl Fn(Result<T, E>) -> Result<R, E> + 'static,
    ) -> Deferred<Vec<R>, E> {
        if self.parts.is_empty() {
            return Deferred::succeed(Vec::new());
        }
        let picked: Vec<Option<R>> = self.parts.iter().map(|_| None).collect();
        let picked = RefCell::new(picked);
        self.each(move |end, index, made, Settled { result, quiet }| {
            let result = match pick(result) {
                Err(error) => Err(error),
                Ok(value) => {
                    picked.borrow_mut()[index] = Some(value);
                    if end.left.get() > 0 {
                        return None;
                    }
                    Ok(picked.take().into_iter().flatten().collect())
                }
            };
            end.fire(Settled { result, quiet }, made)
        })
    }

    /// Calls `on` with each result as it comes: the index, where the part was made, the result.
    #[track_caller]
    fn each<V: 'static>(
        self,
        on: impl Fn(&End<V, E>, usize, Name, Settled<T, E>) -> Step + 'static,
    ) -> Deferred<V, E> {
        let cancellers: Vec<Canceller> = self.parts.iter().map(Deferred::canceller).collect();
        let (deferred, resolver) = Deferred::with_canceller(move || {
            cancellers.iter().for_each(Canceller::cancel);
        });
        let end = End {
            resolver: Cell::new(Some(resolver)),
            left: Cell::new(self.parts.len()),
            consume_errors: self.consume_errors,
        };
        let shared = Rc::new((end, on));
        for (index, part) in self.parts.into_iter().enumerate() {
            let shared = shared.clone();
            let made = part.0.chain.made;
            part.0.then(move |settled| {
                let (end, on) = &*shared;
                end.left.set(end.left.get() - 1);
                on(end, index, made, settled)
            });
        }
        deferred
    }
}

impl<T: 'static, E: Failure> fmt::Debug for DeferredList<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeferredList({} parts)", self.parts.len())
    }
}
