//! Models: the ways of waiting.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::str::FromStr;

use switchboard_green_threads::{self as green, Green};
use switchboard_reactor::{Driver, Loop};

use crate::blocking;

/// A way of waiting.
///
/// ```
/// use switchboard_runtime::Model;
///
/// assert_eq!("pool".parse::<Model>().unwrap(), Model::Pool);
/// let error = "fibers".parse::<Model>().unwrap_err().to_string();
/// assert!(error.contains("unknown model `fibers`") && error.contains("tasks"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// Blocking calls, one client at a time.
    Blocking,
    /// Blocking calls, a thread for each connection.
    Threads,
    /// Blocking calls, a bounded number of threads that are used again.
    Pool,
    /// Blocking calls, a forked process for each connection.
    Processes,
    /// An event loop and suspended futures.
    Tasks,
    /// An event loop and suspended stacks: plain functions may wait too.
    Green,
    /// An event loop that calls methods of objects; flows started beside them are tasks.
    Callbacks,
}

/// How a service is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// An async function.
    Async,
    /// A plain function over `std::io::{Read, Write}`.
    Plain,
    /// Methods that the loop calls.
    Protocol,
}

impl Model {
    /// Every model.
    pub const ALL: [Model; 7] = [
        Model::Blocking,
        Model::Threads,
        Model::Pool,
        Model::Processes,
        Model::Tasks,
        Model::Green,
        Model::Callbacks,
    ];

    /// The name that [`FromStr`] takes.
    pub const fn name(self) -> &'static str {
        match self {
            Model::Blocking => "blocking",
            Model::Threads => "threads",
            Model::Pool => "pool",
            Model::Processes => "processes",
            Model::Tasks => "tasks",
            Model::Green => "green",
            Model::Callbacks => "callbacks",
        }
    }

    /// Whether it waits with an event loop, and so with a driver.
    pub const fn has_loop(self) -> bool {
        matches!(self, Model::Tasks | Model::Green | Model::Callbacks)
    }

    /// Whether a service that is written in `style` runs under this model.
    ///
    /// # Errors
    /// The refusal, which names models that can.
    ///
    /// ```
    /// use switchboard_runtime::{Model, Style};
    ///
    /// assert!(Model::Green.runs(Style::Plain).is_ok());
    /// let refusal = Model::Tasks.runs(Style::Plain).unwrap_err().to_string();
    /// assert!(refusal.contains("model `tasks` cannot run a plain function"));
    /// ```
    pub fn runs(self, style: Style) -> Result<(), Refusal> {
        let (operation, instead) = match (style, self) {
            (Style::Async, Model::Callbacks) => (
                "run an async function",
                "it calls methods of objects; use any other model",
            ),
            (Style::Plain, Model::Tasks | Model::Callbacks) => (
                "run a plain function",
                "it would hold the loop; use green, threads, pool, processes or blocking",
            ),
            (Style::Protocol, model) if model != Model::Callbacks => (
                "call a protocol",
                "that waits for nothing by itself; use callbacks",
            ),
            _ => return Ok(()),
        };
        Err(Refusal {
            model: self,
            operation,
            instead,
        })
    }

    /// Runs `future` as the first flow of this model, on the calling thread, until it is done;
    /// models with a loop wait with `driver`, the others don't use it.
    ///
    /// # Errors
    /// Those of opening the driver or of its wait.
    ///
    /// # Panics
    /// On a thread where a loop runs already.
    pub fn run<F: Future>(self, driver: Driver, future: F) -> io::Result<F::Output> {
        if self.has_loop() {
            self.run_on(&Loop::new(driver)?, future)
        } else {
            Ok(blocking::run(self, future))
        }
    }

    /// As [`run`](Model::run), on a loop that is there already.
    ///
    /// # Errors
    /// Those of the driver's wait.
    pub fn run_on<F: Future>(self, lp: &Loop, future: F) -> io::Result<F::Output> {
        let _entered = self.enter();
        let _hidden = (blocking::hide(), green::Aside::new());
        if self == Model::Green {
            return lp.block_on(on_a_stack(future)?);
        }
        lp.block_on(future)
    }

    /// Runs a loop's callbacks and tasks until nothing is left that could happen; see
    /// [`Loop::run_until_empty`].
    ///
    /// # Errors
    /// Those of the driver's wait.
    pub fn run_until_empty(self, lp: &Loop) -> io::Result<()> {
        let _entered = self.enter();
        let _hidden = (blocking::hide(), green::Aside::new());
        lp.run_until_empty()
    }

    /// The model of the flow that is running, if one is.
    pub fn current() -> Option<Model> {
        CURRENT.get()
    }

    pub(crate) fn enter(self) -> Entered {
        Entered(CURRENT.replace(Some(self)))
    }
}

/// `future` as a green thread, in which plain functions may wait too.
pub(crate) fn on_a_stack<'a, F: Future + 'a>(future: F) -> io::Result<Green<'a, F::Output>> {
    Green::new(move || match green::block_on(future) {
        Ok(output) => output,
        Err(_) => unreachable!("a green thread runs here"),
    })
}

thread_local! {
    static CURRENT: Cell<Option<Model>> = const { Cell::new(None) };
}

pub(crate) struct Entered(Option<Model>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Model, UnknownModel> {
        Model::ALL
            .into_iter()
            .find(|model| model.name() == name)
            .ok_or_else(|| UnknownModel(name.to_owned()))
    }
}

/// A name that is no model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel(String);

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Model::ALL.map(Model::name).join(", ");
        write!(f, "unknown model `{}`: use one of {known}", self.0)
    }
}

impl std::error::Error for UnknownModel {}

/// What a model cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The model that was asked.
    pub model: Model,
    /// What it was asked for.
    pub operation: &'static str,
    /// Why it can't, and which model can.
    pub instead: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "model `{}` cannot {}: {}",
            self.model, self.operation, self.instead
        )
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, refusal)
    }
}
