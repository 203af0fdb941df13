//! The proxy that runs, whose settings may be replaced.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::HeaderValue;
use switchboard_http::{Body, Request, Response, serve_connection_until};
use switchboard_net::{Addr, Stream};
use switchboard_reactor::Log;
use switchboard_runtime::sync::Notify;
use switchboard_runtime::{self as runtime, Hooks, Model, race};

use super::check;
use super::http::{self, Sender};
use super::pool::Clock;
use super::settings::{Mode, Settings};
use super::setup::Setup;
use super::tcp;
use crate::access::Access;

/// The time between two looks at connections that wait for a request.
const PURGE: Duration = Duration::from_secs(1);

/// A proxy in front of pools of back ends. A clone is the same proxy; the module has an example.
#[derive(Clone)]
pub struct Proxy(Arc<Live>);

struct Live {
    setup: Mutex<Arc<Setup>>,
    changed: Notify,
    clock: Clock,
    hooks: Arc<dyn Hooks>,
    own: Mutex<Option<Addr>>,
    /// How the proxy names itself in `Via`: unlike every other one, so that it knows its own requests.
    name: String,
    /// The field of an answer.
    via: HeaderValue,
    /// The process that has a thread for the checks; a forked one has none.
    checks_in: AtomicU32,
    /// Whether a request has found that there is one.
    has_thread: AtomicBool,
}

impl Proxy {
    /// Returns a proxy that logs what an operator should know. Blocks the thread while names are looked up.
    ///
    /// # Errors
    /// `InvalidInput` for settings that fail their [check](Settings::check); the resolver's.
    pub fn new(settings: Settings) -> io::Result<Proxy> {
        Proxy::with_hooks(settings, Arc::new(Log))
    }

    /// Returns a proxy that tells `hooks` what an operator should know: back ends that go down and come back.
    ///
    /// # Errors
    /// As [`new`](Proxy::new).
    pub fn with_hooks(settings: Settings, hooks: Arc<dyn Hooks>) -> io::Result<Proxy> {
        let clock = Clock::new();
        let setup = Setup::new(settings, None, clock, &hooks)?;
        let name = format!("switchboard-{:08x}", fastrand::u32(..));
        let via = HeaderValue::try_from(format!("1.1 {name}"));
        Ok(Proxy(Arc::new(Live {
            setup: Mutex::new(Arc::new(setup)),
            changed: Notify::new(),
            clock,
            hooks,
            own: Mutex::new(None),
            name,
            via: via.unwrap_or(HeaderValue::from_static("1.1 switchboard")),
            checks_in: AtomicU32::new(0),
            has_thread: AtomicBool::new(false),
        })))
    }

    /// Tells the proxy where it listens, so that it refuses to be its own back end.
    ///
    /// # Errors
    /// `InvalidInput` if a back end is at that address.
    pub fn listens_on(&self, addr: &Addr) -> io::Result<()> {
        self.setup().listens_on(addr)?;
        *lock(&self.0.own) = Some(addr.clone());
        Ok(())
    }

    /// Replaces the settings. Connections to clients go on; in mode http, so do their next requests with the new
    /// settings. What is known of a back end that stays in its pool is kept. Blocks the thread while names are
    /// looked up.
    ///
    /// # Errors
    /// As [`new`](Proxy::new) and [`listens_on`](Proxy::listens_on), and `InvalidInput` for another mode; then the
    /// old settings stay.
    pub fn replace(&self, settings: Settings) -> io::Result<()> {
        self.prepare(settings).map(|put_in_place| put_in_place())
    }

    /// Does all of [`replace`](Proxy::replace) that may fail, and returns what does the rest.
    ///
    /// # Errors
    /// As [`replace`](Proxy::replace).
    pub fn prepare(&self, settings: Settings) -> io::Result<impl FnOnce() + use<>> {
        let live = self.0.clone();
        let old = self.setup();
        if settings.mode != old.settings.mode {
            let text = format!(
                "mode {} instead of {}: start the proxy anew",
                settings.mode, old.settings.mode
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let setup = Setup::new(settings, Some(&old), live.clock, &live.hooks)?;
        if let Some(own) = &*lock(&live.own) {
            setup.listens_on(own)?;
        }
        Ok(move || {
            *lock(&live.setup) = Arc::new(setup);
            live.changed.notify_waiters();
        })
    }

    /// Serves a client until its connection ends. Waits in the flow's own way. Dropping the future closes the
    /// connections to both sides.
    ///
    /// # Errors
    /// `HostUnreachable` if no back end could be connected to; `TimedOut` for a connection that was idle for too
    /// long; those of either connection, such as `ConnectionReset`. The client's connection is reset then, so
    /// that it does not take what it got for all there is.
    pub async fn serve(&self, client: Stream) -> io::Result<()> {
        self.serve_until(client, std::future::pending(), None).await
    }

    /// Serves as [`serve`](Proxy::serve) does. In mode http, once `stop` completes a connection that waits for a
    /// request ends, and another one ends after its answer; in mode tcp, connections go on. In mode http, `access`
    /// hears of the requests.
    ///
    /// # Errors
    /// Those of [`serve`](Proxy::serve).
    pub async fn serve_until(
        &self,
        client: Stream,
        stop: impl Future<Output = ()>,
        access: Option<&Access>,
    ) -> io::Result<()> {
        self.start_checks()?;
        client.receive_on_demand();
        let setup = self.setup();
        match setup.settings.mode {
            Mode::Tcp => tcp::serve(client, &setup).await,
            Mode::Http => {
                drop(setup);
                let peer = client.peer_addr().ok();
                let from = Sender {
                    peer: peer.as_ref(),
                    has_tls: false,
                };
                let handler = |request| async move {
                    let answer = |request| self.respond(from, access.is_some(), request);
                    Ok::<_, Infallible>(match access {
                        Some(access) => access.watch(from.peer, request, answer).await,
                        None => answer(request).await,
                    })
                };
                serve_connection_until(client, handler, stop).await
            }
        }
    }

    /// Answers one request, in mode http: passes it on, or says why it could not be. The answer has an extension
    /// [`Passed`](super::Passed) if it `tells`. Waits in the flow's own way. Dropping the future closes the
    /// connection to the back end.
    ///
    /// ```
    /// use switchboard_apps::proxy::{Mode, Proxy, Sender, Settings};
    /// use switchboard_http::{Body, Request};
    /// use switchboard_runtime::Model;
    ///
    /// let mut settings = Settings { mode: Mode::Http, ..Settings::default() };
    /// // Nothing listens there.
    /// settings.pools[0].to = vec!["127.0.0.1:9".parse().unwrap()];
    /// let proxy = Proxy::new(settings)?;
    /// let request = Request::new(Body::empty());
    /// let answer = Model::Tasks.run(proxy.respond(Sender::default(), false, request))?;
    /// assert_eq!(answer.status(), 502);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn respond(&self, from: Sender<'_>, tells: bool, request: Request) -> Response<Body> {
        let answer = http::answer(self, from, tells, request).await;
        // Not earlier: a process that forks for each connection may have no second thread.
        if !self.0.has_thread.load(Ordering::Relaxed) {
            let started = self.start_thread().is_ok();
            self.0.has_thread.store(started, Ordering::Relaxed);
        }
        answer
    }

    /// Checks the back ends for ever, at first at once, and closes connections to them that have waited for a
    /// request for too long; with other settings after a change. Waits in the flow's own way.
    pub async fn watch(&self) {
        loop {
            let changed = self.0.changed.notified();
            let setup = self.setup();
            let pools = setup.pools.iter().cloned();
            let watches = pools.map(|pool| check::watch(pool, setup.tls.as_ref()));
            let checking = async { drop(runtime::gather(watches).await) };
            let purging = async {
                loop {
                    setup.pools.iter().for_each(|pool| pool.purge());
                    runtime::sleep(PURGE).await;
                }
            };
            race(changed, race(checking, purging)).await;
        }
    }

    /// Starts a thread that [watches](Proxy::watch), unless this process has one already or nothing is checked.
    /// [`serve`](Proxy::serve) does so as well, for processes that are forked, and the first request of mode http
    /// does whatever is checked. The thread lasts as long as the process, or without checks as the proxy.
    ///
    /// # Errors
    /// The system's, if no thread can be had.
    pub fn start_checks(&self) -> io::Result<()> {
        match self.setup().has_checks() {
            true => self.start_thread(),
            false => Ok(()),
        }
    }

    /// Starts a thread that checks, or only closes what waits for too long, unless this process has one.
    fn start_thread(&self) -> io::Result<()> {
        let process = std::process::id();
        let order = Ordering::Relaxed;
        if self.0.checks_in.load(order) == process
            || self.0.checks_in.swap(process, order) == process
        {
            return Ok(());
        }
        let live = Arc::downgrade(&self.0);
        let thread = std::thread::Builder::new().name("checks".to_owned());
        let spawned = thread.spawn(move || {
            while let Some(live) = live.upgrade() {
                let setup = lock(&live.setup).clone();
                if setup.has_checks() {
                    return Model::Tasks.run(Proxy(live).watch());
                }
                setup.pools.iter().for_each(|pool| pool.purge());
                drop((setup, live));
                std::thread::sleep(PURGE);
            }
            Ok(())
        });
        if spawned.is_err() {
            self.0.checks_in.store(0, order);
        }
        spawned.map(drop)
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn via(&self) -> &HeaderValue {
        &self.0.via
    }

    /// Tells the operator something.
    pub(super) fn notice(&self, text: &dyn fmt::Display) {
        self.0.hooks.notice(text);
    }

    pub(crate) fn setup(&self) -> Arc<Setup> {
        lock(&self.0.setup).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?})", self.setup().pools)
    }
}
