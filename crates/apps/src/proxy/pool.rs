//! A pool: back ends of which each can serve, and the choice between them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use switchboard_net::{Addr, Stream};
use switchboard_runtime::{self as runtime, Hooks};

use super::backend::Backend;
use super::balance::{self, Balance, Candidates};
use super::budget::RetryBudget;
use super::check::Check;
use super::health::{Change, HealthRules};
use super::own;
use super::throttle::Throttle;
use super::to::To;

/// How many back ends are tried for one connection or request.
pub(super) const ATTEMPTS: usize = 3;

/// The settings of a pool. The fields that are not set have the defaults that they document.
///
/// ```
/// use switchboard_apps::proxy::PoolSettings;
///
/// let settings = PoolSettings {
///     to: vec!["127.0.0.1:8001".parse().unwrap(), "127.0.0.1:8002".parse().unwrap()],
///     ..PoolSettings::default()
/// };
/// assert_eq!(settings.connect_timeout.as_secs(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// The name in the log: "default".
    pub name: String,
    /// The back ends: none.
    pub to: Vec<To>,
    /// How connections or requests are spread over them: round-robin.
    pub balance: Balance,
    /// How they are checked: by connecting.
    pub check: Check,
    /// The time from the end of one check of a back end to the next, with a tenth more or less by chance: 2 s.
    pub check_interval: Duration,
    /// The time that a check may take: 2 s.
    pub check_timeout: Duration,
    /// When a back end goes down, and when it comes back.
    pub rules: HealthRules,
    /// The time that connecting to a back end may take: 5 s.
    pub connect_timeout: Duration,
    /// The most connections or requests that each back end has in flight; others wait: no limit.
    pub max_in_flight: Option<usize>,
    /// The time that a connection or request may wait for a place at a back end: 5 s. It goes to another one with
    /// a free place then, or is refused.
    pub queue_timeout: Duration,
    /// The most connections that each back end has waiting for a request, in mode http; they wait 4 s: 1,024.
    pub max_idle: usize,
    /// Retries for a hundred requests, in mode http: 20.
    pub retry_percent: u32,
    /// Retries a second whatever the number of requests: 10.
    pub retries_per_second: u32,
    /// Whether requests have the back end's host in the field `Host` and not the client's: no.
    pub rewrite_host: bool,
    /// The seed of what is left to chance: 1.
    pub seed: u64,
}

impl Default for PoolSettings {
    fn default() -> PoolSettings {
        PoolSettings {
            name: "default".to_owned(),
            to: Vec::new(),
            balance: Balance::RoundRobin,
            check: Check::Tcp,
            check_interval: Duration::from_secs(2),
            check_timeout: Duration::from_secs(2),
            rules: HealthRules::default(),
            connect_timeout: Duration::from_secs(5),
            max_in_flight: None,
            queue_timeout: Duration::from_secs(5),
            max_idle: 1024,
            retry_percent: 20,
            retries_per_second: 10,
            rewrite_host: false,
            seed: 1,
        }
    }
}

/// The clock by which back ends are left out, in milliseconds. Pools that follow each other have the same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock(runtime::now())
    }

    pub(crate) fn now(self) -> u64 {
        runtime::now().saturating_duration_since(self.0).as_millis() as u64
    }
}

/// Back ends, and what is known of them. All workers of a process share it.
pub(crate) struct Pool {
    settings: PoolSettings,
    backends: Vec<Arc<Backend>>,
    turns: AtomicU64,
    pub(crate) budget: RetryBudget,
    /// For the line that all back ends are down.
    pub(crate) all_down: Throttle,
    /// For the line that a client's upload is too slow.
    pub(crate) too_slow: Throttle,
    clock: Clock,
    hooks: Arc<dyn Hooks>,
    /// Where the proxy itself listens.
    own: OnceLock<SocketAddr>,
}

impl Pool {
    /// Returns a pool whose back ends count as up, but for those that `previous` has too: their state goes on.
    /// Blocks the thread while names are looked up.
    ///
    /// # Errors
    /// The resolver's.
    pub(crate) fn new(
        settings: PoolSettings,
        previous: Option<&Pool>,
        clock: Clock,
        hooks: Arc<dyn Hooks>,
    ) -> io::Result<Pool> {
        let kept = |to: &To| {
            let previous = previous?;
            let same_limit = previous.settings.max_in_flight == settings.max_in_flight;
            let mut backends = previous.backends.iter();
            backends.find(|it| it.to() == to && same_limit).cloned()
        };
        let backends: io::Result<_> = settings
            .to
            .iter()
            .map(|to| match kept(to) {
                Some(backend) => Ok(backend),
                None => Ok(Arc::new(Backend::new(to.clone(), settings.max_in_flight)?)),
            })
            .collect();
        Ok(Pool {
            backends: backends?,
            turns: AtomicU64::new(settings.seed),
            budget: RetryBudget::new(settings.retry_percent, settings.retries_per_second),
            all_down: Throttle::default(),
            too_slow: Throttle::default(),
            clock,
            hooks,
            own: OnceLock::new(),
            settings,
        })
    }

    pub(crate) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    pub(crate) fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Refuses back ends at the address where the proxy itself listens.
    ///
    /// # Errors
    /// `InvalidInput`, with the back end.
    pub(crate) fn listens_on(&self, addr: &Addr) -> io::Result<()> {
        for backend in &self.backends {
            own::refuse(backend, addr)?;
        }
        if let Some(addr) = addr.as_tcp() {
            let _ = self.own.set(addr);
        }
        Ok(())
    }

    /// Chooses a back end that may be used and is not among `tried`; one with a free place if there is any, unless
    /// the key says which one.
    pub(crate) fn choose(&self, key: u64, tried: &[Arc<Backend>]) -> Option<&Arc<Backend>> {
        let (now, turn) = (self.now(), self.turns.fetch_add(1, Ordering::Relaxed));
        let balance = &self.settings.balance;
        let choose = |free_only| {
            let view = View {
                backends: &self.backends,
                tried,
                now,
                free_only,
            };
            balance::choose(balance, &view, turn, key)
        };
        let has_limit = self.settings.max_in_flight.is_some();
        let chosen = match has_limit && !matches!(balance, Balance::Hash(_)) {
            true => choose(true).or_else(|| choose(false)),
            false => choose(false),
        };
        self.backends.get(chosen?)
    }

    /// Connects to one back end, and notes nothing.
    pub(crate) async fn dial(&self, backend: &Backend, limit: Duration) -> io::Result<Stream> {
        let is_own = |addr: &SocketAddr| self.own.get().is_some_and(|own| own::is_same(addr, own));
        let stream = backend.connect(limit, self.now(), is_own).await?;
        stream.receive_on_demand();
        Ok(stream)
    }

    /// Closes connections that have waited for a request for too long.
    pub(crate) fn purge(&self) {
        for backend in &self.backends {
            backend.idle.purge(self.now());
        }
    }

    /// Notes that a back end failed.
    pub(crate) fn failed(&self, backend: &Backend, error: &io::Error) {
        if let Some(change) = backend.health.failed(self.now(), &self.settings.rules) {
            self.report(backend, change, Some(error));
        }
    }

    /// Notes that a back end did what it was asked for.
    pub(crate) fn succeeded(&self, backend: &Backend) {
        if let Some(change) = backend.health.succeeded(self.now()) {
            self.report(backend, change, None);
        }
    }

    /// Tells the operator of a change.
    pub(crate) fn report(&self, backend: &Backend, change: Change, error: Option<&io::Error>) {
        let (now, all) = (self.now(), self.backends.len());
        let usable = self
            .backends
            .iter()
            .filter(|it| it.health.is_usable(now))
            .count();
        let pool = &self.settings.name;
        let left = format_args!("{usable} of {all} in pool {pool} can be used");
        match error {
            Some(error) => {
                self.hooks.notice(&format_args!(
                    "back end {backend} {change}: {error}; {left}"
                ));
            }
            None => self
                .hooks
                .notice(&format_args!("back end {backend} {change}; {left}")),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({}, {:?})", self.settings.name, self.backends)
    }
}

/// The back ends of a pool at one moment, for one choice.
struct View<'a> {
    backends: &'a [Arc<Backend>],
    tried: &'a [Arc<Backend>],
    now: u64,
    /// Whether those without a free place are left out.
    free_only: bool,
}

impl Candidates for View<'_> {
    fn len(&self) -> usize {
        self.backends.len()
    }

    fn is_usable(&self, index: usize) -> bool {
        let backend = &self.backends[index];
        let is_full = self.free_only && !backend.has_place();
        backend.health.is_usable(self.now)
            && !is_full
            && !self.tried.iter().any(|it| Arc::ptr_eq(it, backend))
    }

    fn load(&self, index: usize) -> usize {
        self.backends[index].in_flight()
    }

    fn hash(&self, index: usize) -> u64 {
        self.backends[index].hash()
    }
}
