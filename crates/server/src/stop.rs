//! The triggers that stop a server: its stop handle, a signal, the end of stdin.

use std::io;
use std::os::fd::AsFd;

use signal_hook::consts::{SIGINT, SIGTERM};
use switchboard_reactor::SignalPipe;
use switchboard_runtime::{Direction, Event, Source, race};

use crate::settings::Settings;

/// A handle that stops a server from any thread. A clone stops the same server.
///
/// ```
/// use switchboard_server::Stop;
///
/// let stop = Stop::default();
/// stop.clone().stop();
/// assert!(stop.is_stopped());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop(Event);

impl Stop {
    /// Asks the server to stop accepting and to drain. Never blocks.
    pub fn stop(&self) {
        self.0.set();
    }

    /// Returns whether the server was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.is_set()
    }

    /// Waits until the server is asked to stop.
    pub async fn wait(&self) {
        self.0.wait().await;
    }
}

/// A signal pipe that flows wait for.
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
        loop {
            self.source.ready(Direction::Read).await?;
            if self.pipe.take()? {
                return Ok(());
            }
        }
    }
}

/// Everything that can stop a server.
pub(crate) struct StopTriggers {
    stop: Stop,
    signals: Option<Signals>,
    stdin: Option<Source>,
}

impl StopTriggers {
    pub(crate) fn new(stop: &Stop, settings: &Settings) -> io::Result<StopTriggers> {
        let signals = settings
            .signals
            .then(|| Signals::new(&[SIGINT, SIGTERM]))
            .transpose()?;
        let stdin = settings
            .until_eof
            .then(|| io::stdin().as_fd().try_clone_to_owned().map(Source::new))
            .transpose()?;
        Ok(StopTriggers {
            stop: stop.clone(),
            signals,
            stdin,
        })
    }

    /// Waits until something stops the server, and sets its stop handle.
    pub(crate) async fn wait(&self) -> io::Result<()> {
        let signal = async {
            match &self.signals {
                Some(signals) => signals.wait().await,
                None => std::future::pending().await,
            }
        };
        let eof = async {
            match &self.stdin {
                Some(stdin) => end_of(stdin).await,
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            self.stop.wait().await;
            Ok(())
        };
        let result = race(stopped, race(signal, eof)).await;
        self.stop.stop();
        result
    }
}

async fn end_of(stdin: &Source) -> io::Result<()> {
    loop {
        stdin.ready(Direction::Read).await?;
        match rustix::io::read(stdin, &mut [0; 1024]) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
