//! A server that listens, and the ways to serve its connections.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;

use switchboard_callbacks::{Connection, Protocol};
use switchboard_net::{Addr, PlainStream, Stream};
use switchboard_runtime::{Driver, Style};
use tracing::info_span;

use crate::counts::Report;
use crate::observer::Observer;
use crate::output::HandlerOutput;
use crate::reload::Reload;
use crate::settings::Workers;
use crate::setup::Setup;
use crate::stop::Stop;
use crate::unix_socket::SocketFile;
use crate::{processes, workers};

/// A server that listens and does not accept yet.
///
/// ```
/// use switchboard_server::Server;
///
/// let bound = Server::new().bind("127.0.0.1:0")?;
/// assert_ne!(bound.local_addr().as_tcp().unwrap().port(), 0);
/// let stop = bound.stop_handle();
/// stop.stop();
/// let report = bound.serve(|_stream| async {})?;
/// assert_eq!(report.accepted, 0);
/// # std::io::Result::Ok(())
/// ```
pub struct Bound {
    setup: Setup,
    observer: Observer,
    socket_file: Option<SocketFile>,
}

impl Bound {
    pub(crate) fn new(setup: Setup, socket_file: Option<SocketFile>) -> Bound {
        Bound {
            setup,
            observer: Observer::default(),
            socket_file,
        }
    }

    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> &Addr {
        &self.setup.addr
    }

    /// Returns the driver of the server's event loops. Models without a loop do not use it.
    pub fn driver(&self) -> Driver {
        self.setup.settings.driver
    }

    /// Returns the most connections that a worker holds at once, and the limit that this comes from. A
    /// number asked for that the workers cannot share evenly leaves some of them with one less.
    pub fn capacity(&self) -> (usize, &str) {
        let capacity = &self.setup.capacity;
        (capacity.connections, &capacity.reason)
    }

    /// Returns how many threads the pool of each worker has: as many as were asked for, unless the system
    /// allows fewer. Models other than `pool` do not use them.
    pub fn pool(&self) -> usize {
        self.setup.settings.pool
    }

    /// Returns a handle that stops the server from another thread.
    pub fn stop_handle(&self) -> Stop {
        self.setup.stop.clone()
    }

    /// Returns what the server reads again on SIGHUP, for services to register their parts with before they
    /// serve.
    pub fn reload_handle(&self) -> Reload {
        self.setup.settings.reload.clone()
    }

    /// Returns a view of the server while it serves, for another thread.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Accepts connections and runs `handler` for each until the server is stopped, then waits for
    /// open connections up to the drain limit, and cuts the rest; a
    /// [notice](switchboard_runtime::Hooks::notice) says how many are open. [`Stop::stop_now`] ends the wait.
    /// Blocks the thread.
    ///
    /// A handler returns nothing, or a result with any error that prints; see [`HandlerOutput`]. One that
    /// panics or fails ends its own connection only. While the server is at its capacity,
    /// clients wait in the backlog. When no descriptor is left, the server accepts again once a
    /// connection ends, or after a pause of 50 ms to a second.
    ///
    /// # Errors
    /// A worker's: a driver that cannot be opened or waited with, a pool without a single thread. `Unsupported`
    /// under `callbacks`.
    #[track_caller]
    pub fn serve<H, F>(self, handler: H) -> io::Result<Report>
    where
        H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        self.setup.settings.model.runs(Style::Async)?;
        self.serve_connections(handler)
    }

    /// Serves as [`serve`](Bound::serve) does, with a plain function over `std::io::{Read, Write}`, which
    /// blocks its thread or suspends its green thread. [`green`](switchboard_runtime::green) has what else
    /// such a function can wait for.
    ///
    /// # Errors
    /// `Unsupported` under `tasks` and `callbacks`, because the function would hold the loop; those of
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
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn serve_plain<H, O>(self, handler: H) -> io::Result<Report>
    where
        H: Fn(PlainStream) -> O + Clone + Send + Sync + 'static,
        O: HandlerOutput + 'static,
    {
        self.setup.settings.model.runs(Style::Plain)?;
        self.serve_connections(move |stream| {
            let handler = handler.clone();
            async move { handler(stream.into()) }
        })
    }

    /// Serves as [`serve`](Bound::serve) does, with a protocol from `factory` for each connection, whose
    /// methods the worker's loop calls.
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
    #[track_caller]
    pub fn serve_protocol<P: Protocol>(
        self,
        factory: impl Fn() -> P + Clone + Send + Sync + 'static,
    ) -> io::Result<Report> {
        self.setup.settings.model.runs(Style::Protocol)?;
        self.serve_connections(move |stream| Connection::new(stream, factory()))
    }

    #[track_caller]
    fn serve_connections<H, F>(self, handler: H) -> io::Result<Report>
    where
        H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        let Bound {
            mut setup,
            observer,
            // Its drop, at the end, removes the file.
            socket_file: _socket_file,
        } = self;
        setup.handler = Location::caller();
        let (model, addr) = (setup.settings.model, &setup.addr);
        let span = info_span!(target: "switchboard", "server", %model, %addr);
        let _entered = span.enter();
        match setup.settings.workers {
            Workers::Processes(_) => processes::supervise(setup, handler, |setup, handler| {
                workers::run(setup, Observer::default(), handler)
            }),
            Workers::Threads(_) => workers::run(setup, observer, handler),
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.setup.settings;
        write!(f, "Bound({}, {})", self.setup.addr, settings.model)
    }
}
