//! A server before it listens: the builder.

mod clients;

use std::fmt::{self, Debug};
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use switchboard_net::Listener;
use switchboard_reactor::Log;
use switchboard_runtime::{Driver, Hooks, Model};

use crate::bound::Bound;
use crate::counts::Count;
use crate::passed;
use crate::reload::Reload;
use crate::settings::{FirstBytes, Settings, Workers};
use crate::setup::Setup;
use crate::unix_socket::{self, SocketFile};

/// A builder of a server: its model, its capacity, and what ends it.
///
/// ```
/// use std::time::Duration;
/// use switchboard_server::{Model, Server, Workers};
///
/// let bound = Server::new()
///     .model(Model::Threads)
///     .workers(Workers::Threads(2))
///     .max_connections(100)
///     .drain(Duration::from_secs(1))
///     .bind("127.0.0.1:0")?;
/// assert_eq!(bound.capacity(), (50, "100 were asked for"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Server(Settings);

impl Default for Server {
    fn default() -> Self {
        Server::new()
    }
}

impl Server {
    /// Returns a server of model `tasks` on [`Driver::best()`] (epoll on Linux), with one worker, as many
    /// connections as the system allows, ten seconds to drain, and no signals caught.
    pub fn new() -> Server {
        Server(Settings {
            model: Model::Tasks,
            driver: Driver::best(),
            workers: Workers::Threads(1),
            pool: 10,
            first: None,
            max_connections: None,
            descriptors: None,
            addresses: None,
            refuse: None,
            proxies: None,
            drain: Duration::from_secs(10),
            signals: false,
            until_eof: false,
            observed: false,
            managed: false,
            program: None,
            reload: Reload::default(),
            hooks: Arc::new(Log),
        })
    }

    /// Sets how connections wait.
    ///
    /// [`serve`](Bound::serve), [`serve_plain`](Bound::serve_plain) and [`serve_protocol`](Bound::serve_protocol)
    /// refuse a model that cannot run a handler of their style, with an error that names the models that can.
    #[must_use]
    pub fn model(mut self, model: Model) -> Server {
        self.0.model = model;
        self
    }

    /// Sets what event loops wait with. Where there is no io_uring, `epoll` takes the place of `uring`,
    /// and a [notice](switchboard_reactor::Hooks::notice) says why. Models without a loop ignore it.
    #[must_use]
    pub fn driver(mut self, driver: Driver) -> Server {
        self.0.driver = driver;
        self
    }

    /// Sets how the work is divided; each worker has a listener and a loop of its own.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Server {
        self.0.workers = workers;
        self
    }

    /// Sets how many threads the `pool` model has, for each worker. A connection is given one when it is
    /// accepted, or once its [first bytes](Server::first_bytes) have come, and keeps it to its end. There are
    /// fewer if the system does not allow that many, which a [notice](switchboard_reactor::Hooks::notice) says.
    #[must_use]
    pub fn pool(mut self, threads: usize) -> Server {
        self.0.pool = threads.max(1);
        self
    }

    /// Makes the `pool` model give a connection a thread only once its first bytes have come, so that clients
    /// that send nothing, or half a request, hold none. For handlers that wait for the client to speak
    /// first.
    ///
    /// The bytes have come when they make `enough` return true or panic, when there are 16 KiB of them, or at the end
    /// of input. They stay in the socket for the handler; a Unix socket that many tiny pieces fill before that takes
    /// no more. A connection whose bytes take longer than `limit` is closed and
    /// counts as failed; `Duration::MAX` is no limit. The server holds as many connections as the system
    /// allows.
    ///
    /// Other models ignore it, and so do systems other than Linux.
    ///
    /// ```
    /// use std::time::Duration;
    /// use switchboard_server::{Model, Server};
    ///
    /// let server = Server::new().model(Model::Pool);
    /// // A request is a line.
    /// let server = server.first_bytes(Duration::from_secs(30), |bytes| bytes.contains(&b'\n'));
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn first_bytes(
        mut self,
        limit: Duration,
        enough: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) -> Server {
        let enough = Arc::new(enough);
        self.0.first = Some(FirstBytes { enough, limit });
        self
    }

    /// Sets how many connections the workers hold at once, in all; further clients wait in the backlog. Each
    /// worker holds an equal share, the first ones one more if there is a rest.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Server {
        self.0.max_connections = Some(connections.max(1));
        self
    }

    /// Sets how many descriptors a connection takes, its own included: two of a proxy. The server then holds no more
    /// connections than there are descriptors for. Under `threads`, one more is counted for each: the one by which a
    /// flow is woken that waits for several things, such as a message and a time.
    ///
    /// ```
    /// use switchboard_server::Server;
    ///
    /// let all = Server::new().bind("127.0.0.1:0")?.capacity().0;
    /// let half = Server::new().descriptors(2).bind("127.0.0.1:0")?.capacity().0;
    /// assert!(half <= all.div_ceil(2));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn descriptors(mut self, each: usize) -> Server {
        self.0.descriptors = Some(each.max(1));
        self
    }

    /// Sets how long open connections may go on after the server was asked to stop.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Server {
        self.0.drain = limit;
        self
    }

    /// Sets whether SIGINT and SIGTERM stop the server. Another one that comes while the server drains stops
    /// it [now](crate::Stop::stop_now), unless it comes within 200 ms of the first: that is one request. SIGHUP
    /// [reloads](Server::reload) what can be.
    ///
    /// Signals are caught from the bind on, and those that come before the server serves are kept. After its end,
    /// they have no effect.
    #[must_use]
    pub fn on_signals(mut self, on: bool) -> Server {
        self.0.signals = on;
        self
    }

    /// Sets whether the end of stdin stops the server.
    #[must_use]
    pub fn until_eof(mut self, on: bool) -> Server {
        self.0.until_eof = on;
        self
    }

    /// Sets whether the server keeps a list of its open connections, with what each waits for and the bytes
    /// that it carried. [`Bound::observer`] reads it, SIGUSR1 prints it if
    /// [signals](Server::on_signals) are caught, and [`Closed`](switchboard_reactor::Closed) has the bytes.
    /// Costs about 120 bytes a connection.
    #[must_use]
    pub fn observed(mut self, on: bool) -> Server {
        self.0.observed = on;
        self
    }

    /// Sets whether the server is a service of its own that stays up:
    ///
    /// - SIGHUP [reloads](Server::reload) what can be, and does not end the program if there is nothing.
    /// - SIGUSR2 starts the program again, with the same arguments, and hands the listening sockets of all
    ///   servers of this process over to it. Once it accepts, this process drains and its servers end; no
    ///   connection is refused or lost. If it fails to start, this process goes on and a notice says why.
    /// - A service manager is told when the server accepts, reloads, stops and hands over (`NOTIFY_SOCKET`).
    ///
    /// For the main server of a program that binds all its servers before it serves, always in the same order if
    /// several are bound to the same text such as `127.0.0.1:0`, and that can be started twice at once.
    #[must_use]
    pub fn managed(mut self, on: bool) -> Server {
        self.0.managed = on;
        self
    }

    /// Sets what is read again on SIGHUP, if [signals](Server::on_signals) are caught or the server is
    /// [managed](Server::managed); see [`Bound::reload_handle`].
    #[must_use]
    pub fn reload(mut self, reload: Reload) -> Server {
        self.0.reload = reload;
        self
    }

    /// Sets the observer of the server and of its loops. Without it the server [logs](Log) what an operator
    /// should know.
    #[must_use]
    pub fn hooks(mut self, hooks: Arc<dyn Hooks>) -> Server {
        self.0.hooks = hooks;
        self
    }

    #[cfg(test)]
    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    /// Checks the settings as [`bind`](Server::bind) does, so that what is wrong with them can be told from
    /// what is wrong with an address.
    ///
    /// # Errors
    /// `InvalidInput` for a number of connections, `Unsupported` for a driver that the platform lacks and for
    /// workers that the model cannot have. Each error says what to do.
    ///
    /// ```
    /// use switchboard_server::Server;
    ///
    /// let error = Server::new().max_connections(usize::MAX).check().unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    pub fn check(&self) -> io::Result<()> {
        Setup::check(&self.0)
    }

    /// Listens on a TCP address.
    ///
    /// # Errors
    /// A text that is no address with a port; an address in use or not of this machine; more connections asked
    /// for than the system allows, or fewer than there are workers; a driver that the platform lacks; workers
    /// that the model cannot have. Each error says what to do.
    pub fn bind(self, addr: impl ToSocketAddrs + Debug) -> io::Result<Bound> {
        let name = format!("{addr:?}");
        let count = self.0.workers.count();
        let listeners = match passed::take(&name)? {
            none if none.is_empty() => bind_each(addr, count)?,
            passed => divide(passed, count)?,
        };
        Ok(Bound::new(Setup::new(self.0, listeners, &name)?, None))
    }

    /// Listens on the sockets that systemd has passed to this process (`LISTEN_FDS`). They go on to listen when
    /// the server ends. See [`has_passed_sockets`](crate::has_passed_sockets).
    ///
    /// # Errors
    /// `NotFound` if none were passed; `InvalidInput` if they are no listening sockets, and if the workers
    /// cannot share them evenly; those of [`bind`](Server::bind).
    pub fn bind_passed(self) -> io::Result<Bound> {
        let passed = passed::take(passed::BY_SYSTEMD)?;
        if passed.is_empty() {
            let text = "no sockets were passed to this process (LISTEN_FDS)";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        let listeners = divide(passed, self.0.workers.count())?;
        Ok(Bound::new(
            Setup::new(self.0, listeners, passed::BY_SYSTEMD)?,
            None,
        ))
    }

    /// Listens on a Unix socket at `path`; its workers share one queue. A socket file there that no
    /// process listens on is replaced, and this one is removed when the server ends or is dropped.
    ///
    /// # Errors
    /// As [`bind`](Server::bind).
    pub fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Bound> {
        let path = path.as_ref();
        let name = format!("unix {}", path.display());
        let passed = passed::take(&name)?;
        let is_new = passed.is_empty();
        let sockets = match is_new {
            true => vec![unix_socket::listen(path)?],
            false => passed,
        };
        let socket_file = SocketFile::new(path, is_new);
        let listeners = divide(sockets, self.0.workers.count())?;
        let setup = Setup::new(self.0, listeners, &name)?;
        Ok(Bound::new(setup, socket_file))
    }
}

/// Returns a listener for each of `count` workers.
fn bind_each(addr: impl ToSocketAddrs + Debug, count: usize) -> io::Result<Vec<Listener>> {
    // Without SO_REUSEPORT first: a port that another program shares would not be refused.
    let first = Listener::bind(addr)?;
    let Some(addr) = first.local_addr()?.as_tcp().filter(|_| count > 1) else {
        return Ok(vec![first]);
    };
    // On Linux a socket that is bound can become shared, so that nobody else gets its port meanwhile.
    let mut all = Vec::with_capacity(count);
    if cfg!(target_os = "linux") {
        rustix::net::sockopt::set_socket_reuseport(&first, true)?;
        all.push(first);
    } else {
        drop(first);
    }
    while all.len() < count {
        all.push(Listener::bind_shared(addr)?);
    }
    Ok(all)
}

/// Returns a listener for each of `count` workers, which share the sockets evenly: a worker has one of them.
fn divide(sockets: Vec<Listener>, count: usize) -> io::Result<Vec<Listener>> {
    let passed = sockets.len();
    if !count.is_multiple_of(passed) {
        let text = format!(
            "{} cannot share {} evenly: use {passed} workers, or twice as many",
            Count(count, "worker"),
            Count(passed, "listening socket")
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut listeners = Vec::with_capacity(count);
    for again in passed..count {
        listeners.push(sockets[again % passed].try_clone()?);
    }
    listeners.splice(..0, sockets);
    Ok(listeners)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            model,
            driver,
            workers,
            ..
        } = &self.0;
        write!(f, "Server({model}, {driver}, {workers:?})")
    }
}
