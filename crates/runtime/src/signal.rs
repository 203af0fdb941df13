//! Signals as a stream, for flows of every model.
//!
//! ```
//! use switchboard_runtime::{Model, signal::{Signal, Signals}};
//! # use rustix::process::{Signal as Sent, getpid, kill_process};
//!
//! let signals = Signals::new(&[Signal::HANGUP, Signal::USER1])?;
//! # kill_process(getpid(), Sent::HUP)?;
//! // Elsewhere: `kill -HUP` of this process.
//! let first = Model::Tasks.run(async { signals.recv().await })??;
//! assert_eq!(first, Signal::HANGUP);
//! # std::io::Result::Ok(())
//! ```
//!
//! # Processes
//!
//! A signal is for one process. Under model `processes`, the flow that accepts is in the process that a
//! user or a service manager signals, and [`Signals`] belong there; make them before the server starts. The
//! process of one connection ignores `INTERRUPT` and `TERMINATE`, which a terminal sends to the whole
//! group, and ends with its server. What a child process of this one does with its signals is set by
//! itself: `exec` resets what is caught here.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::Stream;
use rustix::process::Signal as Raw;
use switchboard_reactor::{Direction, SignalPipe};

use crate::io::source::Source;
use crate::model::Wait;

/// A signal, by its number.
///
/// ```
/// use switchboard_runtime::signal::Signal;
///
/// assert_eq!(Signal::TERMINATE.to_string(), "SIGTERM");
/// assert_eq!(Signal::from_number(1), Signal::HANGUP);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(i32);

impl Signal {
    /// SIGHUP: the terminal is gone; for services by custom: read the configuration again.
    pub const HANGUP: Signal = Signal(Raw::HUP.as_raw());
    /// SIGINT: the user pressed Ctrl-C.
    pub const INTERRUPT: Signal = Signal(Raw::INT.as_raw());
    /// SIGQUIT: the user pressed Ctrl-\\.
    pub const QUIT: Signal = Signal(Raw::QUIT.as_raw());
    /// SIGTERM: a request to end.
    pub const TERMINATE: Signal = Signal(Raw::TERM.as_raw());
    /// SIGKILL, which ends a process and cannot be caught.
    pub const KILL: Signal = Signal(Raw::KILL.as_raw());
    /// SIGUSR1: what the program makes of it.
    pub const USER1: Signal = Signal(Raw::USR1.as_raw());
    /// SIGUSR2: what the program makes of it.
    pub const USER2: Signal = Signal(Raw::USR2.as_raw());
    /// SIGCHLD: a child process ended or stopped.
    pub const CHILD: Signal = Signal(Raw::CHILD.as_raw());
    /// SIGALRM: a timer of the process expired.
    pub const ALARM: Signal = Signal(Raw::ALARM.as_raw());
    /// SIGWINCH: the size of the terminal changed.
    pub const WINDOW_CHANGE: Signal = Signal(Raw::WINCH.as_raw());
    /// SIGCONT: the process was continued.
    pub const CONTINUE: Signal = Signal(Raw::CONT.as_raw());

    /// Signals that must not be caught: the process would not end where it has to.
    const NOT_CAUGHT: [Raw; 5] = [Raw::KILL, Raw::STOP, Raw::ILL, Raw::FPE, Raw::SEGV];

    const NAMES: [(Signal, &str); 11] = [
        (Signal::HANGUP, "SIGHUP"),
        (Signal::INTERRUPT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::TERMINATE, "SIGTERM"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USER1, "SIGUSR1"),
        (Signal::USER2, "SIGUSR2"),
        (Signal::CHILD, "SIGCHLD"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::WINDOW_CHANGE, "SIGWINCH"),
        (Signal::CONTINUE, "SIGCONT"),
    ];

    /// Returns the signal of this number; it need not exist.
    pub const fn from_number(number: i32) -> Signal {
        Signal(number)
    }

    /// Returns the system's number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Signal::NAMES.iter().find(|(signal, _)| signal == self) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The arrivals of some signals: a stream that does not end.
///
/// The signals are caught from the moment this is made, so that they no longer end the process; one that
/// arrives before it is received waits here. One that arrives several times meanwhile counts once. Each of
/// several `Signals` hears every signal. After they are dropped, the signals have no effect.
///
/// ```
/// use std::pin::pin;
/// use futures_lite::StreamExt;
/// use switchboard_runtime::{Model, signal::{Signal, Signals}};
/// # use rustix::process::{Signal as Sent, getpid, kill_process};
///
/// let mut signals = Signals::new(&[Signal::USER2])?;
/// # kill_process(getpid(), Sent::USR2)?;
/// let next = Model::Threads.run(async { signals.next().await })?;
/// assert_eq!(next.unwrap()?, Signal::USER2);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Signals {
    pipe: SignalPipe,
    source: Source,
}

impl Signals {
    /// Catches `signals` from now on. Never blocks.
    ///
    /// # Errors
    /// `InvalidInput` for a signal that does not exist or must not be caught (`KILL`, SIGSTOP, SIGILL,
    /// SIGFPE, SIGSEGV); the system's if no descriptor is left.
    pub fn new(signals: &[Signal]) -> io::Result<Signals> {
        let mut not_caught = Signal::NOT_CAUGHT.iter();
        if let Some(raw) = not_caught.find(|raw| signals.contains(&Signal(raw.as_raw()))) {
            let text = format!("signal {} cannot be caught", raw.as_raw());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let numbers: Vec<i32> = signals.iter().map(|signal| signal.0).collect();
        let pipe = SignalPipe::new(&numbers)?;
        let source = Source::new(pipe.as_fd().try_clone_to_owned()?);
        Ok(Signals { pipe, source })
    }

    /// Waits for a signal and returns it. Dropping the future loses no signal.
    ///
    /// # Errors
    /// `Unsupported` [outside of any flow](crate#outside-of-any-flow); those of registering the descriptor
    /// with the loop's driver.
    pub async fn recv(&self) -> io::Result<Signal> {
        let poll = |context: &mut Context<'_>| self.poll_recv(context);
        self.source.operation(Direction::Read, poll).await
    }

    /// Polls for a signal, as [`recv`](Signals::recv) does.
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        Wait::required()?;
        loop {
            if let Some(number) = self.pipe.take_signal()? {
                return Poll::Ready(Ok(Signal(number)));
            }
            ready!(self.source.poll_ready(context, Direction::Read))?;
        }
    }
}

impl Stream for Signals {
    type Item = io::Result<Signal>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Signal>>> {
        self.poll_recv(context).map(Some)
    }
}

/// Waits until the user presses Ctrl-C (SIGINT).
///
/// The signal is caught from the first poll on, and stays without effect after the future is dropped. A
/// program that waits for it more than once takes [`Signals`], which miss none in between.
///
/// # Errors
/// Those of [`Signals::new`] and [`Signals::recv`].
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model, race, signal};
/// # use rustix::process::{Signal as Sent, getpid, kill_process};
///
/// let stopped = Model::Tasks.run(async {
///     let work = async {
///         # kill_process(getpid(), Sent::INT)?;
///         runtime::sleep(Duration::from_secs(3600)).await;
///         std::io::Result::Ok("done")
///     };
///     race(async { signal::ctrl_c().await.map(|()| "stopped") }, work).await
/// })??;
/// assert_eq!(stopped, "stopped");
/// # std::io::Result::Ok(())
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    Signals::new(&[Signal::INTERRUPT])?.recv().await.map(drop)
}
