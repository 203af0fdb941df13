//! The signals of a server. They are caught from its bind on, so that one that comes before it serves is kept.

use std::io;
use std::os::fd::AsFd;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use switchboard_reactor::SignalPipe;
use switchboard_runtime::{Direction, Source};

use crate::settings::Settings;

/// A signal pipe that flows wait for. Signals are taken by number, since a forked process that has the pipe too
/// may write to it for a signal of its own.
pub(crate) struct Signals {
    pipe: SignalPipe,
    source: Source,
}

impl Signals {
    pub(crate) fn new(signals: &[i32]) -> io::Result<Signals> {
        let pipe = SignalPipe::new(signals)?;
        let source = Source::new(pipe.as_fd().try_clone_to_owned()?);
        Ok(Signals { pipe, source })
    }

    pub(crate) async fn wait(&self) -> io::Result<()> {
        self.next().await.map(drop)
    }

    /// Waits for a signal, and returns its number.
    pub(crate) async fn next(&self) -> io::Result<i32> {
        loop {
            self.source.ready(Direction::Read).await?;
            if let Some(signal) = self.pipe.take_signal()? {
                return Ok(signal);
            }
        }
    }

    /// Takes the signals that have arrived, and returns whether there were any. Never blocks.
    pub(crate) fn forget(&self) -> io::Result<bool> {
        let mut any = false;
        while self.pipe.take_signal()?.is_some() {
            any = true;
        }
        Ok(any)
    }
}

/// The signals of a server, by what they mean.
#[derive(Default)]
pub(crate) struct Caught {
    /// SIGINT and SIGTERM, if they stop the server.
    pub(crate) stop: Option<Signals>,
    /// SIGHUP, and SIGUSR2 in a managed server.
    pub(crate) changes: Option<Signals>,
    /// The numbers of `changes`.
    pub(crate) changing: &'static [i32],
    /// SIGUSR1, if the server lists its connections.
    pub(crate) list: Option<Signals>,
}

impl Caught {
    /// Catches the signals of a server from now on.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new(settings: &Settings) -> io::Result<Caught> {
        let changing: &[i32] = match (settings.managed, settings.signals) {
            (true, _) => &[SIGHUP, SIGUSR2],
            (false, true) => &[SIGHUP],
            (false, false) => &[],
        };
        Caught::catch(settings, settings.signals, changing)
    }

    /// Catches the signals of a worker process of the server from now on. Its supervisor stops it by SIGTERM, and
    /// Ctrl-C in a terminal reaches it too.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn of_worker(settings: &Settings) -> io::Result<Caught> {
        let changing: &[i32] = match settings.managed || settings.signals {
            true => &[SIGHUP],
            false => &[],
        };
        Caught::catch(settings, true, changing)
    }

    fn catch(settings: &Settings, stop: bool, changing: &'static [i32]) -> io::Result<Caught> {
        let catch = |on: bool, signals: &[i32]| on.then(|| Signals::new(signals)).transpose();
        Ok(Caught {
            stop: catch(stop, &[SIGINT, SIGTERM])?,
            changes: catch(!changing.is_empty(), changing)?,
            changing,
            list: catch(stop && settings.observed, &[SIGUSR1])?,
        })
    }
}
