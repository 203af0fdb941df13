//! Deferreds: a result that will come, and what is to be done with it.

mod canceller;
mod future;
mod list;
mod slot;
mod unhandled;

pub use canceller::{Cancelled, Canceller};
pub use future::DeferredFuture;
pub use list::DeferredList;
pub use unhandled::{Unhandled, set_unhandled};

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use canceller::Why;
use slot::{Chain, Settled, Slot, State, Step, Waits, run};

/// What a Deferred may fail with: any type that can say `Cancelled`, and say itself in a report.
/// `io::Error`, `String` and `Box<dyn Error>` can.
pub trait Failure: From<Cancelled> + fmt::Debug + 'static {}

impl<E: From<Cancelled> + fmt::Debug + 'static> Failure for E {}

/// What a callback may return: a `Result`, or a [`Deferred`] that the chain then waits for.
pub trait Outcome<T, E: Failure> {
    /// The result if it is there, or else the Deferred that it will come from.
    ///
    /// # Errors
    /// That Deferred.
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

/// A result that will come, with the callbacks for it.
///
/// Each `add_*` takes a Deferred and gives the next one, whose result is what the callback returned.
/// So there are two tracks, and each callback is a place to change from one to the other:
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
/// A callback that is added to a Deferred which has fired runs at once, within `add_*`; else it runs
/// within the call that fires it, after those that were added before. A callback that returns a
/// Deferred has the chain wait for that one. Nothing here blocks, and chains of any length run in
/// constant stack. (A function that calls itself for the next round needs something to wait for.)
///
/// A panic in a callback goes to whoever fired. On its way the rest of the chain fails with
/// [`Cancelled`]; if one of those errbacks panics too, the process aborts.
///
/// State that callbacks share needs no lock. They run on one thread, each to its end before the
/// next begins, so `Rc<RefCell<_>>` does, if no borrow is held while something is fired, which runs
/// other people's callbacks. Only a second thread would break that, such as `run_blocking`'s, and the
/// compiler lets no `Rc` go there.
///
/// A failure that is dropped with nobody having taken it is told to
/// [`set_unhandled`](crate::set_unhandled)'s hook. Dropping a Deferred does not cancel it; awaiting
/// it and dropping that future does.
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
pub struct Deferred<T: 'static, E: Failure>(pub(crate) Rc<Slot<T, E>>);

/// Fires its [`Deferred`], once. Dropped before that, it fails the Deferred with [`Cancelled`]:
/// nobody else could fire it.
pub struct Resolver<T: 'static, E: Failure>(Option<Rc<Slot<T, E>>>);

impl<T: 'static, E: Failure> Deferred<T, E> {
    /// A Deferred, and what fires it.
    #[track_caller]
    pub fn new() -> (Deferred<T, E>, Resolver<T, E>) {
        Deferred::origin(None)
    }

    /// One that has fired with `value`.
    #[track_caller]
    pub fn succeed(value: T) -> Deferred<T, E> {
        Deferred::settled(Ok(value))
    }

    /// One that has failed with `error`.
    #[track_caller]
    pub fn fail(error: E) -> Deferred<T, E> {
        Deferred::settled(Err(error))
    }

    /// As [`new`](Deferred::new); `canceller` is what [`cancel`](Deferred::cancel) runs to end the work
    /// that the result would come from. It may fire the Deferred; if it doesn't, that fails with
    /// [`Cancelled`].
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
        let slot = Slot::new(State::Idle, Chain::new(Location::caller()));
        let deferred = Deferred(slot.clone());
        deferred.set_canceller(canceller);
        (deferred, Resolver(Some(slot)))
    }

    pub(crate) fn set_canceller(&self, canceller: Option<Box<dyn FnOnce()>>) {
        let slot = Rc::downgrade(&self.0);
        self.0.chain.waits.set(Waits::Origin(slot, canceller));
    }

    #[track_caller]
    fn settled(result: Result<T, E>) -> Deferred<T, E> {
        let state = State::Settled(Settled::new(result));
        Deferred(Slot::new(state, Chain::new(Location::caller())))
    }

    /// What comes after `f`.
    fn link<U: 'static, F: Failure>(
        self,
        f: impl FnOnce(Result<T, E>) -> Result<Result<U, F>, Deferred<U, F>> + 'static,
    ) -> Deferred<U, F> {
        let next = Slot::new(State::Idle, self.0.chain.clone());
        let mut resolver = Resolver(Some(next.clone()));
        self.0.then(move |Settled { result, quiet }| {
            // Until `f` has returned the resolver stands ready: it may panic.
            let outcome = f(result);
            let slot = resolver.0.take()?;
            match outcome {
                Ok(result) => slot.settle(Settled { result, quiet }),
                Err(inner) => slot.follow(inner.0),
            }
        });
        Deferred(next)
    }

    /// Adds `f` for a success; a failure passes it by.
    pub fn add_callback<U, R>(self, f: impl FnOnce(T) -> R + 'static) -> Deferred<U, E>
    where
        U: 'static,
        R: Outcome<U, E>,
    {
        self.add_callbacks(f, Err)
    }

    /// Adds `f` for a failure; a success passes it by. If `f` returns a success, the next callback
    /// gets that.
    pub fn add_errback<F, R>(self, f: impl FnOnce(E) -> R + 'static) -> Deferred<T, F>
    where
        F: Failure,
        R: Outcome<T, F>,
    {
        self.add_callbacks(Ok, f)
    }

    /// Adds `f` for a success and `g` for a failure: one of them runs, and `g` is not there for what
    /// fails in `f`.
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
        self.link(|result| match result {
            Ok(value) => f(value).outcome(),
            Err(error) => g(error).outcome(),
        })
    }

    /// Adds `f` for both.
    pub fn add_both<U, F, R>(self, f: impl FnOnce(Result<T, E>) -> R + 'static) -> Deferred<U, F>
    where
        U: 'static,
        F: Failure,
        R: Outcome<U, F>,
    {
        self.link(|result| f(result).outcome())
    }

    /// Cancels what the chain waits for: its origin, or the Deferred that a callback returned. The
    /// canceller of that runs, and if it did not fire it, it fails with [`Cancelled`]. The errbacks run
    /// before this returns.
    ///
    /// Does nothing to one that has fired. Whoever fires it later is ignored.
    pub fn cancel(&self) {
        self.0.chain.cancel();
    }

    /// What cancels it when it has been handed on.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.0.chain.clone())
    }
}

impl<T: 'static, E: Failure> Resolver<T, E> {
    /// Fires the Deferred with `value`; the callbacks that wait for it run before this returns.
    pub fn callback(self, value: T) {
        self.fire(Ok(value));
    }

    /// Fails the Deferred with `error`; the errbacks that wait for it run before this returns.
    pub fn errback(self, error: E) {
        self.fire(Err(error));
    }

    pub(crate) fn fire(mut self, result: Result<T, E>) {
        run(self.step(Settled::new(result)));
    }

    pub(crate) fn step(&mut self, mut settled: Settled<T, E>) -> Step {
        let slot = self.0.take()?;
        // Within its canceller, say.
        settled.quiet |= slot.chain.cancelled.get();
        slot.settle(settled)
    }
}

impl<T: 'static, E: Failure> Drop for Resolver<T, E> {
    fn drop(&mut self) {
        if self.0.is_some() {
            run(self.step(Settled::cancelled(Why::Dropped)));
        }
    }
}

impl<T: 'static, E: Failure> fmt::Debug for Deferred<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deferred(made at {})", self.0.chain.made)
    }
}

impl<T: 'static, E: Failure> fmt::Debug for Resolver<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
