//! Deferreds: results that will come, with the callbacks that take them.

mod cancelled;
mod canceller;
mod chain;
mod drops;
mod future;
mod link;
mod list;
mod nested;
mod unhandled;

pub use cancelled::Cancelled;
pub use canceller::Canceller;
pub use future::DeferredFuture;
pub use list::DeferredList;
pub use unhandled::{Unhandled, set_unhandled};

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use chain::{Chain, WaitsFor};
use drops::Effect;
use link::{Fired, Link, State, Step, run};

/// A type that a Deferred can fail with: one that can be made of [`Cancelled`] and be printed in a report, such
/// as `io::Error`, `String` and `Box<dyn Error>`.
pub trait Failure: From<Cancelled> + fmt::Debug + 'static {}

impl<E: From<Cancelled> + fmt::Debug + 'static> Failure for E {}

/// The types that a callback can return: a `Result`, or a [`Deferred`] that the chain then waits for.
pub trait Outcome<T, E: Failure> {
    /// Returns the result if it is there.
    ///
    /// # Errors
    /// The Deferred that the result will come from.
    fn outcome(self) -> Result<Result<T, E>, Deferred<T, E>>;
}

impl<T, E: Failure> Outcome<T, E> for Result<T, E> {
    fn outcome(self) -> Result<Result<T, E>, Deferred<T, E>> {
        Ok(self)
    }
}

impl<T, E: Failure> Outcome<T, E> for Deferred<T, E> {
    fn outcome(self) -> Result<Result<T, E>, Deferred<T, E>> {
        Err(self)
    }
}

/// A result that will come, with the callbacks that take it.
///
/// Each `add_*` takes a Deferred and returns the next one, whose result is what the callback returns. There are
/// two tracks, and each callback can change from one to the other:
///
/// ```text
///                  add_callback     add_errback      add_callbacks    add_both
///   callback(T) ──── f(T) ─────────────────────────── f(T) ─────────── f(Ok) ────▶ Ok
///                        ╲         ╱                       ╲ ╱              ╲ ╱
///                     Err ╲       ╱ Ok                      ╳                ╳
///                          ╲     ╱                         ╱ ╲              ╱ ╲
///   errback(E) ───────────────── g(E) ─────────────── g(E) ─────────── f(Err) ───▶ Err
/// ```
///
/// A callback that is added to a Deferred which has fired runs at once, within `add_*`. Otherwise it runs
/// within the call that fires the Deferred, after the callbacks that were added before it. When a callback
/// returns a Deferred, the chain waits for that one. No method blocks. Chains of any length need constant
/// stack, except that a callback which builds the next round of a loop must return a Deferred that has not
/// fired.
///
/// A panic in a callback unwinds to the caller that fired the Deferred. Meanwhile the rest of the chain fails
/// with [`Cancelled`]; if one of those errbacks panics too, the process aborts.
///
/// State that callbacks share needs no lock. They run on one thread, one after the other, so that
/// `Rc<RefCell<_>>` suffices. No borrow of it may be held while a Deferred is fired, because that runs other
/// callbacks. The compiler does not let an `Rc` go to another thread, such as one of `run_blocking`.
///
/// A failure that is dropped before an errback has taken it goes to the function of
/// [`set_unhandled`](crate::set_unhandled). Dropping a Deferred does not cancel it; dropping its
/// [future](DeferredFuture) does.
///
/// ```
/// use switchboard_callbacks::Deferred;
///
/// let (deferred, resolver) = Deferred::<&str, String>::new();
/// deferred
///     .add_callback(|text| text.parse::<u32>().map_err(|error| error.to_string()))
///     .add_callback(|number| Deferred::succeed(number + 1))
///     .add_errback(|_| Ok::<_, String>(0))
///     .add_callback(|number| Ok(assert_eq!(number, 42)));
/// resolver.callback("41");
/// ```
pub struct Deferred<T: 'static, E: Failure>(pub(crate) Rc<Link<T, E>>);

/// The handle that fires a [`Deferred`], once. Dropping the handle unused fails the Deferred with
/// [`Cancelled`]; within a callback that such a drop runs, after that callback has returned.
///
/// ```
/// use switchboard_callbacks::Deferred;
///
/// let (deferred, resolver) = Deferred::<u32, String>::new();
/// deferred.add_callback(|number| Ok(assert_eq!(number, 7)));
/// resolver.callback(7);
/// ```
pub struct Resolver<T: 'static, E: Failure>(Option<Rc<Link<T, E>>>);

impl<T: 'static, E: Failure> Deferred<T, E> {
    /// Returns a Deferred and the resolver that fires it.
    #[track_caller]
    pub fn new() -> (Deferred<T, E>, Resolver<T, E>) {
        Deferred::origin(None)
    }

    /// Returns a Deferred that has fired with `value`.
    #[track_caller]
    pub fn succeed(value: T) -> Deferred<T, E> {
        Deferred::fired(Ok(value))
    }

    /// Returns a Deferred that has failed with `error`.
    #[track_caller]
    pub fn fail(error: E) -> Deferred<T, E> {
        Deferred::fired(Err(error))
    }

    /// Returns a Deferred and its resolver, as [`new`](Deferred::new) does. [`cancel`](Deferred::cancel) calls
    /// `canceller` to end the work that the result would come from. If `canceller` does not fire the Deferred,
    /// it fails with [`Cancelled`].
    ///
    /// ```
    /// use switchboard_callbacks::Deferred;
    ///
    /// let (deferred, _resolver) = Deferred::<(), String>::with_canceller(|| println!("hangs up"));
    /// let deferred = deferred.add_callback(|()| Ok("an answer"));
    /// deferred.cancel();
    /// ```
    #[track_caller]
    pub fn with_canceller(canceller: impl FnOnce() + 'static) -> (Deferred<T, E>, Resolver<T, E>) {
        Deferred::origin(Some(Box::new(canceller)))
    }

    #[track_caller]
    fn origin(canceller: Option<Box<dyn FnOnce()>>) -> (Deferred<T, E>, Resolver<T, E>) {
        let link = Link::new(State::Pending, Chain::new(Location::caller()));
        let deferred = Deferred(link.clone());
        deferred.set_canceller(canceller);
        (deferred, Resolver(Some(link)))
    }

    pub(crate) fn set_canceller(&self, canceller: Option<Box<dyn FnOnce()>>) {
        let origin = Rc::downgrade(&self.0);
        let waits_for = WaitsFor::Origin(origin, canceller);
        self.0.chain.waits_for.set(waits_for);
    }

    #[track_caller]
    fn fired(result: Result<T, E>) -> Deferred<T, E> {
        let state = State::Fired(Fired::new(result));
        Deferred(Link::new(state, Chain::new(Location::caller())))
    }

    /// Returns the next Deferred, whose result is what `f` returns.
    fn add<U: 'static, F: Failure>(
        self,
        f: impl FnOnce(Result<T, E>) -> Result<Result<U, F>, Deferred<U, F>> + 'static,
    ) -> Deferred<U, F> {
        let next = Link::new(State::Pending, self.0.chain.clone());
        let mut resolver = Resolver(Some(next.clone()));
        self.0.add(move |Fired { result, quiet }| {
            // If `f` panics, the resolver is dropped and fails the rest of the chain.
            let outcome = f(result);
            let link = resolver.0.take()?;
            match outcome {
                Ok(result) => link.fire(Fired { result, quiet }),
                Err(inner) => link.follow(inner.0),
            }
        });
        Deferred(next)
    }

    /// Adds `f` for a success. A failure skips `f`.
    pub fn add_callback<U, R>(self, f: impl FnOnce(T) -> R + 'static) -> Deferred<U, E>
    where
        U: 'static,
        R: Outcome<U, E>,
    {
        self.add_callbacks(f, Err)
    }

    /// Adds `f` for a failure. A success skips `f`. If `f` returns a success, the next callback gets that.
    pub fn add_errback<F, R>(self, f: impl FnOnce(E) -> R + 'static) -> Deferred<T, F>
    where
        F: Failure,
        R: Outcome<T, F>,
    {
        self.add_callbacks(Ok, f)
    }

    /// Adds `f` for a success and `g` for a failure. One of them runs: a failure that `f` returns does not go
    /// to `g`.
    pub fn add_callbacks<U, F, R, S>(
        self,
        f: impl FnOnce(T) -> R + 'static,
        g: impl FnOnce(E) -> S + 'static,
    ) -> Deferred<U, F>
    where
        U: 'static,
        F: Failure,
        R: Outcome<U, F>,
        S: Outcome<U, F>,
    {
        self.add(|result| match result {
            Ok(value) => f(value).outcome(),
            Err(error) => g(error).outcome(),
        })
    }

    /// Adds `f` for a success and for a failure.
    pub fn add_both<U, F, R>(self, f: impl FnOnce(Result<T, E>) -> R + 'static) -> Deferred<U, F>
    where
        U: 'static,
        F: Failure,
        R: Outcome<U, F>,
    {
        self.add(|result| f(result).outcome())
    }

    /// Cancels what the chain waits for: its origin, or the Deferred that a callback returned. Calls the
    /// canceller of that Deferred, which fails with [`Cancelled`] if the canceller does not fire it. The
    /// errbacks run before this returns. Within a canceller, all of that happens when the canceller has
    /// returned, and before its own Deferred fails.
    ///
    /// Does nothing if that Deferred has fired. After a cancel, its resolver does nothing.
    pub fn cancel(&self) {
        self.0.chain.cancel();
    }

    /// Returns a handle that cancels this Deferred after it was given away.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.0.chain.clone())
    }
}

impl<T: 'static, E: Failure> Resolver<T, E> {
    /// Fires the Deferred with `value`. The callbacks that wait for it run before this returns.
    pub fn callback(self, value: T) {
        self.fire(Ok(value));
    }

    /// Fails the Deferred with `error`. The errbacks that wait for it run before this returns.
    pub fn errback(self, error: E) {
        self.fire(Err(error));
    }

    pub(crate) fn fire(mut self, result: Result<T, E>) {
        run(self.step(Fired::new(result)));
    }

    pub(crate) fn step(&mut self, mut fired: Fired<T, E>) -> Step {
        let link = self.0.take()?;
        // A canceller may fire the Deferred.
        fired.quiet |= link.chain.cancelled.get();
        link.fire(fired)
    }
}

impl<T: 'static, E: Failure> Drop for Resolver<T, E> {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            Effect::Fail(link).happen();
        }
    }
}

impl<T: 'static, E: Failure> fmt::Debug for Deferred<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deferred(made at {})", self.0.chain.created_at)
    }
}

impl<T: 'static, E: Failure> fmt::Debug for Resolver<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
