//! The triggers that stop a server: its stop handle, a signal, the end of stdin.

use std::io::{self, PipeWriter};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use signal_hook::consts::{SIGINT, SIGTERM};
use switchboard_reactor::SignalPipe;
use switchboard_runtime::{self as runtime, Direction, Event, Source, race};

use crate::counts::Count;
use crate::settings::Settings;
use crate::setup::Setup;

/// The time after the first signal in which another one is the same request: `timeout` and others send a
/// signal to a process and then to its whole group.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// A handle that stops a server from any thread. A clone stops the same server.
///
/// A handler may keep a clone from [`Bound::stop_handle`](crate::Bound::stop_handle), in order to end its
/// connection when the server stops. The clone is told in every worker, and in the process of each
/// connection under `processes`; there, stopping the clone stops that process's handler only.
///
/// ```
/// use switchboard_server::Stop;
///
/// let stop = Stop::default();
/// stop.clone().stop();
/// assert!(stop.is_stopped());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop {
    stopped: Event,
    cut: Event,
    /// The pipe of the server, in the process of a connection.
    server: Arc<OnceLock<Source>>,
}

impl Stop {
    /// Asks the server to stop accepting and to drain. Never blocks.
    pub fn stop(&self) {
        self.stopped.set();
    }

    /// Asks the server to stop without draining: open connections are cut, and
    /// [`Report::cut`](crate::Report::cut) counts them. May be called while the server drains. Never
    /// blocks.
    ///
    /// ```
    /// use std::io::Read;
    /// use switchboard_server::Server;
    ///
    /// let server = Server::new().bind("127.0.0.1:0")?;
    /// let addr = server.local_addr().to_string();
    /// let stop = server.stop_handle();
    /// let client = std::thread::spawn(move || {
    ///     let mut stream = std::net::TcpStream::connect(addr).unwrap();
    ///     stream.read_exact(&mut [0; 1]).unwrap();
    ///     stop.stop();
    ///     stop.stop_now();
    /// });
    /// // The handler would wait for the client for ever, and the drain for ten seconds.
    /// let report = server.serve(|stream| async move {
    ///     stream.write_all(b"!").await?;
    ///     stream.recv().await.map(drop)?;
    ///     std::future::pending::<std::io::Result<()>>().await
    /// })?;
    /// client.join().unwrap();
    /// assert_eq!(report.cut, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stop_now(&self) {
        self.cut.set();
        self.stopped.set();
    }

    /// Returns whether the server was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_set() || self.server.get().is_some_and(has_ended)
    }

    /// Waits until the server is asked to stop.
    pub async fn wait(&self) {
        let stopped = self.stopped.wait();
        let Some(server) = self.server.get() else {
            return stopped.await;
        };
        let ended = async {
            // A pipe that cannot be waited for stops the handler too.
            let _ = server.ready(Direction::Read).await;
        };
        race(stopped, ended).await;
    }

    /// Waits until the server is asked to stop without draining.
    pub(crate) async fn wait_for_cut(&self) {
        self.cut.wait().await;
    }

    /// Stops this handle and its clones, in the process of a connection, when the server ends the pipe
    /// that `server` reads.
    pub(crate) fn follow(&self, server: &StopReader) {
        let _ = self.server.set(server.0.clone());
    }
}

/// Returns whether the other end of a pipe is closed.
fn has_ended(pipe: &Source) -> bool {
    let mut fds = [PollFd::new(pipe, PollFlags::IN)];
    let polled = rustix::event::poll(&mut fds, Some(&Timespec::default()));
    polled.is_ok_and(|ready| ready > 0)
}

/// The end of a pipe by which a server stops the handlers in other processes: its drop stops them.
pub(crate) struct StopWriter {
    _writer: PipeWriter,
}

/// The end of the pipe for the processes of connections.
pub(crate) struct StopReader(Source);

/// Returns a pipe by which a server stops the handlers in the processes that it forks.
pub(crate) fn stop_pipe() -> io::Result<(StopReader, StopWriter)> {
    let (reader, writer) = io::pipe()?;
    let reader = StopReader(Source::new(reader.into()));
    Ok((reader, StopWriter { _writer: writer }))
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
    /// The supervisor's word to cut. A worker's second signal may be the first of the whole group.
    supervisor: Option<Source>,
}

impl StopTriggers {
    pub(crate) fn new(setup: &Setup) -> io::Result<StopTriggers> {
        let settings = &setup.settings;
        let signals = settings
            .signals
            .then(|| Signals::new(&[SIGINT, SIGTERM]))
            .transpose()?;
        let stdin = settings
            .until_eof
            .then(|| io::stdin().as_fd().try_clone_to_owned().map(Source::new))
            .transpose()?;
        let supervisor = setup.supervised.as_ref().map(|by| {
            let cut = by.cut.as_fd().try_clone_to_owned();
            cut.map(Source::new)
        });
        Ok(StopTriggers {
            stop: setup.stop.clone(),
            signals,
            stdin,
            supervisor: supervisor.transpose()?,
        })
    }

    /// Waits until something stops the server, and sets its stop handle.
    pub(crate) async fn wait(&self) -> io::Result<()> {
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
        let result = race(stopped, race(self.signal(), eof)).await;
        self.stop.stop();
        result
    }

    /// Waits until something cuts the connections of a server that drains since `start`: its stop handle, the supervisor
    /// of this worker, or another signal. Sets the stop handle.
    ///
    /// # Errors
    /// The system's. The handle is set all the same.
    pub(crate) async fn wait_for_cut(&self, start: Instant) -> io::Result<()> {
        let again = async {
            if let Some(supervisor) = &self.supervisor
                && says_cut(supervisor).await?
            {
                return Ok(());
            }
            runtime::sleep(ONE_REQUEST.saturating_sub(start.elapsed())).await;
            self.forget_signals()?;
            self.signal().await
        };
        let told = async {
            self.stop.wait_for_cut().await;
            Ok(())
        };
        let result = race(told, again).await;
        self.stop.stop_now();
        result
    }

    /// Returns whether the connections of a server that drains since `start` are to be cut. Never blocks.
    pub(crate) fn is_cut(&self, start: Instant) -> io::Result<bool> {
        let signalled = self.forget_signals()?;
        if signalled && start.elapsed() >= ONE_REQUEST {
            self.stop.stop_now();
        }
        Ok(self.stop.cut.is_set())
    }

    async fn signal(&self) -> io::Result<()> {
        match &self.signals {
            Some(signals) => signals.wait().await,
            None => std::future::pending().await,
        }
    }

    /// Takes the signals that have arrived, and returns whether there were any.
    fn forget_signals(&self) -> io::Result<bool> {
        let signals = self.signals.as_ref();
        signals.map_or(Ok(false), |signals| signals.pipe.take())
    }
}

/// Tells the operator that open connections get the time to end.
pub(crate) fn notice_drain(setup: &Setup, connections: usize) {
    if connections == 0 {
        return;
    }
    let Settings { signals, hooks, .. } = &setup.settings;
    let worker = setup.supervised.as_ref();
    let worker = worker.map_or_else(String::new, |by| format!("worker {}: ", by.index));
    let again = if *signals { "; again to stop now" } else { "" };
    let count = Count(connections, "connection");
    hooks.notice(&format_args!("{worker}draining {count}{again}"));
}

/// Waits for the supervisor's word, and returns `false` if the supervisor has ended without. The byte stays
/// in the socket, which all workers read.
async fn says_cut(supervisor: &Source) -> io::Result<bool> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    loop {
        supervisor.ready(Direction::Read).await?;
        match rustix::net::recv(supervisor, &mut [0; 1], flags) {
            Ok((_, length)) => return Ok(length > 0),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;

    use switchboard_runtime::{Driver, Model};

    use super::*;
    use crate::{Report, Server};

    /// Runs a server whose handler never ends, until `stop` has run beside a client.
    fn stopped(model: Model, driver: Driver, stop: impl FnOnce(Stop) + Send + 'static) -> Report {
        let server = Server::new().model(model).driver(driver);
        let server = server.drain(Duration::from_secs(600));
        let server = server.bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().to_string();
        let handle = server.stop_handle();
        let client = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
            stop(handle);
            let _ = stream.read(&mut [0; 1]);
        });
        let report = server.serve(|stream| async move {
            stream.write_all(b"!").await?;
            while !stream.recv().await?.is_empty() {}
            io::Result::Ok(())
        });
        client.join().unwrap();
        report.unwrap()
    }

    #[test]
    fn stopping_now_cuts_before_and_while_the_server_drains() {
        for model in [Model::Blocking, Model::Threads, Model::Pool, Model::Tasks] {
            for driver in Driver::ALL {
                let useless = driver != Driver::best() && !model.has_loop();
                if driver == Driver::Sim || useless || driver.open().is_err() {
                    continue;
                }
                let at_once = stopped(model, driver, |stop| stop.stop_now());
                let draining = stopped(model, driver, |stop| {
                    stop.stop();
                    std::thread::sleep(Duration::from_millis(20));
                    stop.stop_now();
                });
                assert_eq!((at_once.cut, draining.cut), (1, 1), "{model}/{driver}");
            }
        }
    }
}
