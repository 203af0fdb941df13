//! The handle that stops a server, and the pipe by which it reaches the processes of connections.

use std::io::{self, PipeWriter};
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_runtime::{Direction, Event, Source, race};

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

    /// Returns whether `other` stops the same server.
    pub(crate) fn is_same(&self, other: &Stop) -> bool {
        Arc::ptr_eq(&self.server, &other.server)
    }

    /// Returns whether the server was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_set() || self.server.get().is_some_and(has_ended)
    }

    /// Waits until the server is asked to stop.
    pub async fn wait(&self) {
        match self.server.get() {
            None => self.stopped.wait().await,
            // In memory of its own, which the connections of other models need not have.
            Some(server) => Box::pin(self.wait_with(server)).await,
        }
    }

    /// Waits until the server is asked to stop, here or by its pipe.
    async fn wait_with(&self, server: &Source) {
        let ended = async {
            // A pipe that cannot be waited for stops the handler too.
            let _ = server.ready(Direction::Read).await;
        };
        race(self.stopped.wait(), ended).await;
    }

    /// Waits until the server is asked to stop without draining.
    pub(crate) async fn wait_for_cut(&self) {
        self.cut.wait().await;
    }

    /// Returns whether the server was asked to stop without draining.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_set()
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
