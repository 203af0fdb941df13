//! Lists: one Deferred for the results of many.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::deferred::canceller::Canceller;
use crate::deferred::chain::CreatedAt;
use crate::deferred::link::{Fired, Step};
use crate::deferred::{Deferred, Failure, Resolver};

/// A list of Deferreds whose results become one: [all results](DeferredList::all), the
/// [first success](DeferredList::first), or [all values](DeferredList::gather).
///
/// Cancelling the list's Deferred cancels the parts that have not fired. Parts that a list no longer waits for
/// are not cancelled; their values are dropped.
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

/// The state that the parts of a list share.
struct Parts<V: 'static, E: Failure> {
    resolver: Cell<Option<Resolver<V, E>>>,
    /// The number of parts that have not fired.
    left: Cell<usize>,
    consume_errors: bool,
}

impl<V: 'static, E: Failure> Parts<V, E> {
    /// Fires the list, or discards the result if the list has fired.
    fn fire(&self, fired: Fired<V, E>, created_at: CreatedAt) -> Step {
        match self.resolver.take() {
            Some(mut resolver) => resolver.step(fired),
            None => self.discard(fired, created_at),
        }
    }

    /// Drops a result that does not become part of the list's. Reports an error unless errors are consumed.
    fn discard<T>(&self, fired: Fired<T, E>, created_at: CreatedAt) -> Step {
        if !self.consume_errors {
            fired.discard(created_at);
        }
        None
    }
}

impl<T: 'static, E: Failure> DeferredList<T, E> {
    /// Returns a list of `parts`.
    pub fn new(parts: impl IntoIterator<Item = Deferred<T, E>>) -> DeferredList<T, E> {
        DeferredList {
            parts: parts.into_iter().collect(),
            consume_errors: false,
        }
    }

    /// Sets whether errors that do not become part of the result are dropped silently. By default they are
    /// reported as [unhandled](crate::set_unhandled).
    pub fn consume_errors(mut self, consume: bool) -> DeferredList<T, E> {
        self.consume_errors = consume;
        self
    }

    /// Returns a Deferred that fires when all parts have, with their results in the list's order. An empty list
    /// fires at once. The Deferred never fails; cancelled, it fires with [`Cancelled`](crate::Cancelled) as the
    /// result of each part that had not fired.
    #[track_caller]
    pub fn all(self) -> Deferred<Vec<Result<T, E>>, E> {
        self.collect(Ok)
    }

    /// Returns a Deferred that fires when all parts have succeeded, with their values in the list's order, or
    /// fails with the first failure. An empty list fires at once.
    #[track_caller]
    pub fn gather(self) -> Deferred<Vec<T>, E> {
        self.collect(|result| result)
    }

    /// Returns a Deferred that fires with the index and the value of the first success, or, if all parts fail,
    /// fails with the last failure. An empty list fails at once with [`Cancelled`](crate::Cancelled).
    #[track_caller]
    pub fn first(self) -> Deferred<(usize, T), E> {
        self.each(|parts, index, created_at, Fired { result, quiet }| {
            let result = result.map(|value| (index, value));
            let fired = Fired { result, quiet };
            if fired.result.is_err() && parts.left.get() > 0 {
                parts.discard(fired, created_at)
            } else {
                parts.fire(fired, created_at)
            }
        })
    }

    /// Collects the values that `pick` returns for the results, or fails with the first failure of `pick`.
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
        self.each(move |parts, index, created_at, Fired { result, quiet }| {
            let result = match pick(result) {
                Err(error) => Err(error),
                Ok(value) => {
                    picked.borrow_mut()[index] = Some(value);
                    if parts.left.get() > 0 {
                        return None;
                    }
                    Ok(picked.take().into_iter().flatten().collect())
                }
            };
            parts.fire(Fired { result, quiet }, created_at)
        })
    }

    /// Calls `on` with each result as it comes: the part's index, where it was created, and its result.
    #[track_caller]
    fn each<V: 'static>(
        self,
        on: impl Fn(&Parts<V, E>, usize, CreatedAt, Fired<T, E>) -> Step + 'static,
    ) -> Deferred<V, E> {
        let cancellers: Vec<Canceller> = self.parts.iter().map(Deferred::canceller).collect();
        let (deferred, resolver) = Deferred::with_canceller(move || {
            cancellers.iter().for_each(Canceller::cancel);
        });
        let parts = Parts {
            resolver: Cell::new(Some(resolver)),
            left: Cell::new(self.parts.len()),
            consume_errors: self.consume_errors,
        };
        let shared = Rc::new((parts, on));
        for (index, part) in self.parts.into_iter().enumerate() {
            let shared = shared.clone();
            let created_at = part.0.chain.created_at;
            part.0.add(move |fired| {
                let (parts, on) = &*shared;
                parts.left.set(parts.left.get() - 1);
                on(parts, index, created_at, fired)
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
