//! Models, and the one table of what each of them means.

mod refusal;
mod run;

use std::fmt;
use std::str::FromStr;

pub(crate) use refusal::Need;
pub use refusal::Refusal;
pub(crate) use run::{OUTSIDE_OF_A_FLOW, as_green_thread, outside_of_a_flow};

/// A concurrency model: how flows wait, and what runs the flow of each connection. The user picks one.
///
/// | model | [waits by](Model::wait) | [a connection gets](Model::dispatch) | [handlers](Model::styles) |
/// |---|---|---|---|
/// | `blocking` | blocking | its turn, in the accepting flow | async, plain |
/// | `threads` | blocking | a thread | async, plain |
/// | `pool` | blocking | a pooled thread | async, plain |
/// | `processes` | blocking | a process | async, plain |
/// | `tasks` | task | a task | async |
/// | `green` | stack | a stack | async, plain |
/// | `callbacks` | task | an object | protocol |
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
    /// Blocking system calls, one connection at a time.
    Blocking,
    /// Blocking system calls, a thread for each connection.
    Threads,
    /// Blocking system calls, a bounded number of threads that serve one connection after another.
    Pool,
    /// Blocking system calls, a forked process for each connection.
    Processes,
    /// An event loop with a task for each connection.
    Tasks,
    /// An event loop with a green thread for each connection, so that plain functions may wait too.
    Green,
    /// An event loop that calls methods of an object for each connection. Further flows are tasks.
    Callbacks,
}

/// The way in which a flow waits.
///
/// ```
/// use switchboard_runtime::{Model, Wait};
///
/// assert_eq!(Wait::current(), None);
/// assert_eq!(Model::Pool.run(async { Wait::current() })?, Some(Wait::Blocking));
/// assert_eq!(Model::Green.run(async { Wait::current() })?, Some(Wait::Stack));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// The thread blocks in a system call.
    Blocking,
    /// The future returns `Pending` and the event loop continues. Plain code cannot wait.
    Task,
    /// The green thread's stack is suspended and the event loop continues. Plain code can wait too.
    Stack,
}

/// The thread, process, task or green thread that runs the flow of a connection, or of a job of
/// [`run_each`](crate::run_each).
///
/// ```
/// use switchboard_runtime::{Dispatch, Model};
///
/// assert_eq!(Model::Pool.dispatch(), Dispatch::PooledThread);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dispatch {
    /// The accepting flow, one after another.
    InTurn,
    /// A thread that is started for it.
    Thread,
    /// One of a bounded number of threads.
    PooledThread,
    /// A process that is forked for it.
    Process,
    /// A task on the loop.
    Task,
    /// A green thread on the loop.
    Stack,
    /// A task on the loop that calls an object's methods.
    Object,
}

/// The form in which a handler is written.
///
/// ```
/// use switchboard_runtime::{Model, Style};
///
/// assert!(Model::Tasks.runs(Style::Async).is_ok());
/// assert!(Model::Tasks.runs(Style::Plain).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// An async function.
    Async,
    /// A plain function over `std::io::{Read, Write}`.
    Plain,
    /// An object with methods that the loop calls.
    Protocol,
}

/// One row of the table of models.
struct Meaning {
    name: &'static str,
    wait: Wait,
    dispatch: Dispatch,
    styles: &'static [Style],
}

impl Meaning {
    const fn new(
        name: &'static str,
        wait: Wait,
        dispatch: Dispatch,
        styles: &'static [Style],
    ) -> Meaning {
        Meaning {
            name,
            wait,
            dispatch,
            styles,
        }
    }
}

impl Model {
    /// All models.
    pub const ALL: [Model; 7] = [
        Model::Blocking,
        Model::Threads,
        Model::Pool,
        Model::Processes,
        Model::Tasks,
        Model::Green,
        Model::Callbacks,
    ];

    const fn meaning(self) -> Meaning {
        use Style::{Async, Plain, Protocol};
        let row = Meaning::new;
        match self {
            Model::Blocking => row(
                "blocking",
                Wait::Blocking,
                Dispatch::InTurn,
                &[Async, Plain],
            ),
            Model::Threads => row("threads", Wait::Blocking, Dispatch::Thread, &[Async, Plain]),
            Model::Pool => row(
                "pool",
                Wait::Blocking,
                Dispatch::PooledThread,
                &[Async, Plain],
            ),
            Model::Processes => row(
                "processes",
                Wait::Blocking,
                Dispatch::Process,
                &[Async, Plain],
            ),
            Model::Tasks => row("tasks", Wait::Task, Dispatch::Task, &[Async]),
            Model::Green => row("green", Wait::Stack, Dispatch::Stack, &[Async, Plain]),
            Model::Callbacks => row("callbacks", Wait::Task, Dispatch::Object, &[Protocol]),
        }
    }

    /// Returns the name that [`FromStr`] takes.
    pub const fn name(self) -> &'static str {
        self.meaning().name
    }

    /// Returns how the model's flows wait.
    pub const fn wait(self) -> Wait {
        self.meaning().wait
    }

    /// Returns what runs the flow of a connection or job.
    pub const fn dispatch(self) -> Dispatch {
        self.meaning().dispatch
    }

    /// Returns the styles of handler that run under this model.
    pub const fn styles(self) -> &'static [Style] {
        self.meaning().styles
    }

    /// Returns whether flows of this model run on an event loop, which waits with a driver.
    pub const fn has_loop(self) -> bool {
        self.wait().has_loop()
    }

    /// Checks that a handler written in `style` runs under this model.
    ///
    /// # Errors
    /// A refusal that names the models that can run it.
    ///
    /// ```
    /// use switchboard_runtime::{Model, Style};
    ///
    /// assert!(Model::Green.runs(Style::Plain).is_ok());
    /// let refusal = Model::Tasks.runs(Style::Plain).unwrap_err().to_string();
    /// assert!(refusal.contains("model `tasks` cannot run a plain function"));
    /// ```
    pub fn runs(self, style: Style) -> Result<(), Refusal> {
        Need::Style(style).check(self)
    }
}

impl Wait {
    /// Returns whether an event loop continues while a flow waits.
    pub const fn has_loop(self) -> bool {
        matches!(self, Wait::Task | Wait::Stack)
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

/// The error for a name that is not the name of a model. The message lists the names.
///
/// ```
/// use switchboard_runtime::{Model, UnknownModel};
///
/// let error: UnknownModel = "fibers".parse::<Model>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown model `fibers`: use one of blocking, threads"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownModel(String);

/// The same text as [`Display`](fmt::Display), because a `main` that returns an error prints this.
impl fmt::Debug for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Model::ALL.map(Model::name).join(", ");
        write!(f, "unknown model `{}`: use one of {known}", self.0)
    }
}

impl std::error::Error for UnknownModel {}
