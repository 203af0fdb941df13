//! The server as its user sees it.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use switchboard_callbacks::{Connection, Protocol};
use switchboard_net::{Addr, Listener, PlainStream, Stream};
use switchboard_reactor::Quiet;
use switchboard_runtime::{Driver, Hooks, Model, Style};

use crate::counts::Report;
use crate::watch::Stop;
use crate::{limits, processes, workers};

/// How a server's work is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// So many threads of this process.
    Threads(usize),
    /// So many processes, forked before the first connection; one that dies is replaced.
    Processes(usize),
}

impl Workers {
    /// How many.
    pub fn count(self) -> usize {
        match self {
            Workers::Threads(count) | Workers::Processes(count) => count.max(1),
        }
    }
}

/// How a server is to wait, and for how many.
#[derive(Clone)]
pub struct Server {
    pub(crate) model: Model,
    pub(crate) driver: Driver,
    pub(crate) workers: Workers,
    pub(crate) pool: usize,
    pub(crate) max_connections: Option<usize>,
    pub(crate) drain: Duration,
    pub(crate) signals: bool,
    pub(crate) until_eof: bool,
    pub(crate) hooks: Arc<dyn Hooks>,
}

impl Default for Server {
    fn default() -> Self {
        Server::new()
    }
}

impl Server {
    /// `tasks` on the best driver, one worker, as many connections as there is room for, ten seconds
    /// to drain, no signals caught.
    pub fn new() -> Server {
        Server {
            model: Model::Tasks,
            driver: Driver::best(),
            workers: Workers::Threads(1),
            pool: 10,
            max_connections: None,
            drain: Duration::from_secs(10),
            signals: false,
            until_eof: false,
            hooks: Arc::new(Quiet),
        }
    }

    /// How connections wait.
    #[must_use]
    pub fn model(mut self, model: Model) -> Server {
        self.model = model;
        self
    }

    /// What event loops wait with. Where there is no io_uring, `uring` gives way to `epoll`, and a
    /// [notice](switchboard_reactor::Hooks::notice) says why.
    #[must_use]
    pub fn driver(mut self, driver: Driver) -> Server {
        self.driver = driver;
        self
    }

    /// How the work is divided; each worker has a listener and a loop of its own.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Server {
        self.workers = workers;
        self
    }

    /// How many threads the `pool` model has, for each worker.
    #[must_use]
    pub fn pool(mut self, threads: usize) -> Server {
        self.pool = threads.max(1);
        self
    }

    /// How many connections are held at once; the others wait in the backlog.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Server {
        self.max_connections = Some(connections.max(1));
        self
    }

    /// How long open connections may go on after the server was asked to stop.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Server {
        self.drain = limit;
        self
    }

    /// Whether SIGINT and SIGTERM stop the server.
    #[must_use]
    pub fn on_signals(mut self, on: bool) -> Server {
        self.signals = on;
        self
    }

    /// Whether the end of stdin stops the server.
    #[must_use]
    pub fn until_eof(mut self, on: bool) -> Server {
        self.until_eof = on;
        self
    }

    /// Who watches.
    #[must_use]
    pub fn hooks(mut self, hooks: Arc<dyn Hooks>) -> Server {
        self.hooks = hooks;
        self
    }

    /// Listens on a TCP address.
    ///
    /// # Errors
    /// An address in use or not of this machine; more connections asked for than there is room for; a
    /// driver that the platform lacks; workers that the model can't have. Each says what to do.
    pub fn bind(self, addr: impl ToSocketAddrs) -> io::Result<Bound> {
        // Alone first: a port that somebody else shares would not be refused.
        let first = Listener::bind(addr)?;
        let count = self.workers.count();
        let Some(addr) = first.local_addr()?.as_tcp().filter(|_| count > 1) else {
            return Bound::new(self, vec![first]);
        };
        drop(first);
        let listeners: io::Result<Vec<_>> = (0..count)
            .map(|_| Listener::bind_shared(addr as SocketAddr))
            .collect();
        Bound::new(self, listeners?)
    }

    /// Listens on a Unix socket at `path`; its workers share one queue. A socket there that nobody
    /// listens on is replaced, and this one is removed when the server ends.
    ///
    /// # Errors
    /// As [`bind`](Server::bind).
    pub fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Bound> {
        let path = path.as_ref();
        let first = match Listener::bind_unix(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
                std::fs::remove_file(path)?;
                Listener::bind_unix(path)?
            }
            bound => bound?,
        };
        let mut listeners = Vec::new();
        for _ in 1..self.workers.count() {
            listeners.push(first.try_clone()?);
        }
        listeners.push(first);
        let mut bound = Bound::new(self, listeners)?;
        bound.unlink = identity(path).map(|it| (path.to_owned(), it));
        Ok(bound)
    }
}

/// Device and inode: another server may put its own socket there meanwhile.
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let data = std::fs::symlink_metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}

/// A socket that a server left behind: nobody listens on it.
fn is_stale(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    socket
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Server({}, {}, {:?})",
            self.model, self.driver, self.workers
        )
    }
}

/// A server that listens, and is yet to accept.
#[derive(Debug)]
pub struct Bound {
    pub(crate) server: Server,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) addr: Addr,
    pub(crate) limit: usize,
    pub(crate) why: String,
    pub(crate) stop: Stop,
    /// A Unix socket's path, which goes with the server.
    pub(crate) unlink: Option<(PathBuf, (u64, u64))>,
    /// The process that this one is a worker of.
    pub(crate) supervisor: Option<u32>,
}

impl Bound {
    fn new(mut server: Server, listeners: Vec<Listener>) -> io::Result<Bound> {
        if server.model.has_loop() {
            // A driver that is not to be had is known now, not at the first connection.
            let (driver, why_not) = server.driver.available()?;
            if let Some(why_not) = why_not {
                let hooks = &server.hooks;
                hooks.notice(&format_args!("{why_not}; going on with {driver}"));
            }
            server.driver = driver;
        }
        if server.model == Model::Processes
            && server.workers.count() > 1
            && matches!(server.workers, Workers::Threads(_))
        {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "model `processes` cannot fork from several worker threads: \
                 use one worker, worker processes, or model `threads`",
            ));
        }
        let each_alone = matches!(server.workers, Workers::Processes(_));
        let sharing = if each_alone {
            1
        } else {
            server.workers.count()
        };
        let (limit, why) = limits::limit(
            server.model,
            server.driver,
            server.max_connections,
            server.pool,
            sharing,
        )?;
        Ok(Bound {
            addr: listeners[0].local_addr()?,
            limit: match server.max_connections {
                // Asked for as a whole.
                Some(_) => (limit / server.workers.count()).max(1),
                None => (limit / sharing).max(1),
            },
            why,
            server,
            listeners,
            stop: Stop::default(),
            unlink: None,
            supervisor: None,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> &Addr {
        &self.addr
    }

    /// What its event loops wait with.
    pub fn driver(&self) -> Driver {
        self.server.driver
    }

    /// How many connections a worker holds at once, and what says so.
    pub fn limit(&self) -> (usize, &str) {
        (self.limit, &self.why)
    }

    /// What stops it from another thread.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Accepts connections and runs `handler` for each until the server is stopped, then waits for
    /// those that are open, up to the drain limit, and cuts the rest. Blocks the thread.
    ///
    /// A handler that panics or fails ends its own connection only. While there is no room the
    /// clients wait in the backlog; out of descriptors, the server looks again when a connection
    /// ends, or after 50 ms to a second.
    ///
    /// # Errors
    /// A worker's: a driver that can't be opened or waited with. `Unsupported` under `callbacks`.
    pub fn serve<H, F>(self, handler: H) -> io::Result<Report>
    where
        H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        self.server.model.runs(Style::Async)?;
        self.serve_connections(handler)
    }

    /// As [`serve`](Bound::serve), with a plain function over `std::io::{Read, Write}`, which blocks its
    /// thread, or puts its green thread aside. [`green`](switchboard_runtime::green) has what else such a
    /// function may wait for.
    ///
    /// # Errors
    /// `Unsupported` under `tasks` and `callbacks`, whose loop it would hold; those of
    /// [`serve`](Bound::serve).
    ///
    /// ```no_run
    /// use std::io::{BufRead, BufReader, Write};
    /// use switchboard_runtime::Model;
    /// use switchboard_server::Server;
    ///
    /// let server = Server::new().model(Model::Green).bind("127.0.0.1:7007")?;
    /// server.serve_plain(|mut stream| {
    ///     for line in BufReader::new(stream.clone()).lines() {
    ///         writeln!(stream, "{}", line?.to_uppercase())?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn serve_plain<H>(self, handler: H) -> io::Result<Report>
    where
        H: Fn(PlainStream) -> io::Result<()> + Clone + Send + Sync + 'static,
    {
        self.server.model.runs(Style::Plain)?;
        self.serve_connections(move |stream| {
            let handler = handler.clone();
            async move { handler(stream.into()) }
        })
    }

    /// As [`serve`](Bound::serve), with a protocol of `factory`'s for each connection, whose methods the
    /// worker's loop calls.
    ///
    /// # Errors
    /// `Unsupported` unless the model is `callbacks`; those of [`serve`](Bound::serve).
    ///
    /// ```no_run
    /// use switchboard_callbacks::{Protocol, Transport};
    /// use switchboard_runtime::Model;
    /// use switchboard_server::Server;
    ///
    /// struct Shout;
    /// impl Protocol for Shout {
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         transport.write(&data.to_ascii_uppercase());
    ///     }
    /// }
    ///
    /// let server = Server::new().model(Model::Callbacks).bind("127.0.0.1:7007")?;
    /// server.serve_protocol(|| Shout)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn serve_protocol<P: Protocol>(
        self,
        factory: impl Fn() -> P + Clone + Send + Sync + 'static,
    ) -> io::Result<Report> {
        self.server.model.runs(Style::Protocol)?;
        self.serve_connections(move |stream| Connection::new(stream, factory()))
    }

    fn serve_connections<H, F>(self, handler: H) -> io::Result<Report>
    where
        H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let unlink = self.unlink.clone();
        let result = match self.server.workers {
            Workers::Processes(_) => processes::supervise(self, handler),
            Workers::Threads(_) => workers::run(self, handler),
        };
        if let Some((path, it)) = unlink
            && identity(&path) == Some(it)
        {
            // It may be gone already.
            let _ = std::fs::remove_file(path);
        }
        result
    }
}
