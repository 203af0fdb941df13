//! The first flow of a model, and the model that is current.

use std::cell::Cell;
use std::future::Future;
use std::io;

use switchboard_green_threads::{self as green, Green};
use switchboard_reactor::{Driver, Loop};

use super::{Model, Need, Wait};
use crate::blocking;

impl Model {
    /// Runs `future` as the first flow of this model, on the calling thread, and blocks until it completes.
    /// A model with a loop opens one that waits with the best driver of this platform.
    ///
    /// # Errors
    /// None under a model without a loop. Otherwise `Unsupported` on a thread where a loop runs already, and
    /// those of opening the driver or of its wait.
    ///
    /// ```
    /// use switchboard_runtime::Model;
    ///
    /// for model in Model::ALL {
    ///     assert_eq!(model.run(async { 7 })?, 7);
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run<F: Future>(self, future: F) -> io::Result<F::Output> {
        match self.has_loop() {
            true => self.run_with(Driver::best(), future),
            false => Ok(blocking::run(self, future)),
        }
    }

    /// Runs `future` as [`run`](Model::run) does, on a new loop that waits with `driver`.
    ///
    /// # Errors
    /// `Unsupported` under a model without a loop, which would not use the driver, and on a thread where a
    /// loop runs already; those of opening the driver or of its wait.
    ///
    /// ```
    /// use switchboard_runtime::{Driver, Model};
    ///
    /// assert_eq!(Model::Tasks.run_with(Driver::Poll, async { 7 })?, 7);
    /// assert!(Model::Threads.run_with(Driver::Poll, async { 7 }).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run_with<F: Future>(self, driver: Driver, future: F) -> io::Result<F::Output> {
        self.check_may_run()?;
        self.run_on(&Loop::new(driver)?, future)
    }

    /// Runs `future` as [`run`](Model::run) does, on an existing loop.
    ///
    /// # Errors
    /// `Unsupported` under a model without a loop, and on a thread where a loop runs already; those of the
    /// driver's wait.
    ///
    /// ```
    /// use switchboard_runtime::{Driver, Loop, Model};
    ///
    /// let lp = Loop::new(Driver::best())?;
    /// assert_eq!(Model::Green.run_on(&lp, async { 7 })?, 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run_on<F: Future>(self, lp: &Loop, future: F) -> io::Result<F::Output> {
        self.check_may_run()?;
        let _entered = self.enter();
        let _hidden = blocking::HideCurrent::new();
        green::hide_current(|| match self.wait() {
            Wait::Stack => lp.block_on(as_green_thread(future)?),
            Wait::Task | Wait::Blocking => lp.block_on(future),
        })
    }

    /// Runs turns of `lp` under this model until it has no callback, timer, task or registration left, and
    /// blocks until then; see [`Loop::run_until_empty`].
    ///
    /// # Errors
    /// As [`run_on`](Model::run_on).
    pub fn run_until_empty(self, lp: &Loop) -> io::Result<()> {
        self.check_may_run()?;
        let _entered = self.enter();
        let _hidden = blocking::HideCurrent::new();
        green::hide_current(|| lp.run_until_empty())
    }

    /// Checks that this model has a loop, and that none runs on this thread: a second loop would hold the
    /// first one, and with it every flow that the second one may wait for.
    fn check_may_run(self) -> io::Result<()> {
        Need::Loop.check(self)?;
        if !Loop::with_current(|lp| lp.is_some()) {
            return Ok(());
        }
        let outer = match Model::current() {
            Some(outer) => format!("a flow of model `{outer}`"),
            None => "a callback of a loop".to_owned(),
        };
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "model `{self}` cannot run within {outer}: a loop runs on this thread already; \
                 await the future, or run it on another thread"
            ),
        ))
    }

    /// Returns the model of the flow that runs on this thread.
    pub fn current() -> Option<Model> {
        CURRENT.get()
    }

    pub(crate) fn enter(self) -> Entered {
        Entered(CURRENT.replace(Some(self)))
    }
}

/// The message of operations that are polled outside of any flow.
pub(crate) const OUTSIDE_OF_A_FLOW: &str = "no flow waits here: run this future under a model with \
     `Model::run`, or wait for it in plain code with `green::block_on`";

/// Returns the error of an operation outside of any flow.
#[cold]
pub(crate) fn outside_of_a_flow() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, OUTSIDE_OF_A_FLOW)
}

impl Wait {
    /// Returns how a flow that this thread starts beside the running one waits; `None` outside of any
    /// flow.
    pub fn current() -> Option<Wait> {
        if blocking::is_blocking() {
            return Some(Wait::Blocking);
        }
        let on_loop = Loop::with_current(|lp| lp.is_some());
        on_loop.then(|| Model::current().map_or(Wait::Task, Model::wait))
    }

    /// Returns how a flow waits, as [`current`](Wait::current) does, for a future that can be polled within a
    /// flow only.
    ///
    /// # Errors
    /// `Unsupported` [outside of any flow](crate#outside-of-any-flow).
    ///
    /// ```
    /// use switchboard_runtime::{Model, Wait};
    ///
    /// let refused = Wait::required().unwrap_err();
    /// assert!(refused.to_string().contains("Model::run"));
    /// assert_eq!(Model::Tasks.run(async { Wait::required() })??, Wait::Task);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn required() -> io::Result<Wait> {
        Wait::current().ok_or_else(outside_of_a_flow)
    }
}

/// Returns `future` as a green thread, in which plain code may wait too.
pub(crate) fn as_green_thread<'a, F: Future + 'a>(future: F) -> io::Result<Green<'a, F::Output>> {
    Green::new(move || match green::block_on(future) {
        Ok(output) => output,
        Err(_) => unreachable!("a green thread runs here"),
    })
}

thread_local! {
    static CURRENT: Cell<Option<Model>> = const { Cell::new(None) };
}

/// A guard that makes a model this thread's current one; the previous model becomes current again when the
/// guard is dropped.
pub(crate) struct Entered(Option<Model>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
