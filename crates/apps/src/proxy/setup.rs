//! The state of a proxy that lives until its settings are replaced.

use std::io;
use std::sync::Arc;

use switchboard_net::Addr;
use switchboard_runtime::Hooks;
use switchboard_tls::TlsClient;

use super::check::Check;
use super::http::Route;
use super::pool::{Clock, Pool, PoolSettings};
use super::settings::Settings;
use super::to::To;

/// The settings, and what follows from them.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) pools: Vec<Arc<Pool>>,
    /// The routes, with the places of their pools, the most specific first.
    routes: Vec<(Route, usize)>,
    /// Present if a back end has TLS.
    pub(crate) tls: Option<TlsClient>,
}

impl Setup {
    pub(super) fn new(
        settings: Settings,
        previous: Option<&Setup>,
        clock: Clock,
        hooks: &Arc<dyn Hooks>,
    ) -> io::Result<Setup> {
        let checked = settings.check();
        checked.map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))?;
        let pool = |settings: &PoolSettings| {
            let mut before = previous.into_iter().flat_map(|it| &it.pools);
            let before = before.find(|it| it.settings().name == settings.name);
            let pool = Pool::new(
                settings.clone(),
                before.map(|it| &**it),
                clock,
                hooks.clone(),
            );
            pool.map(Arc::new)
        };
        let pools: io::Result<_> = settings.pools.iter().map(pool).collect();
        Ok(Setup {
            pools: pools?,
            routes: routes(&settings),
            tls: tls(&settings)?,
            settings,
        })
    }

    /// Returns the pool that a request goes to.
    pub(super) fn route(&self, host: &str, path: &str) -> Option<&Arc<Pool>> {
        let place = match self.routes.is_empty() {
            true => 0,
            false => {
                self.routes
                    .iter()
                    .find(|(route, _)| route.fits(host, path))?
                    .1
            }
        };
        self.pools.get(place)
    }

    pub(super) fn has_checks(&self) -> bool {
        self.pools
            .iter()
            .any(|pool| pool.settings().check != Check::Off)
    }

    pub(super) fn listens_on(&self, addr: &Addr) -> io::Result<()> {
        self.pools.iter().try_for_each(|pool| pool.listens_on(addr))
    }
}

/// Returns the routes in the order in which they are looked at.
fn routes(settings: &Settings) -> Vec<(Route, usize)> {
    let place = |name: &str| settings.pools.iter().position(|pool| pool.name == name);
    let routes = settings.routes.iter();
    let mut routes: Vec<_> = routes
        .filter_map(|route| Some((route.clone(), place(&route.pool)?)))
        .collect();
    routes.sort_by_key(|(route, _)| std::cmp::Reverse(route.rank()));
    routes
}

/// Returns whom to trust, if a back end has TLS.
fn tls(settings: &Settings) -> io::Result<Option<TlsClient>> {
    let mut to = settings.pools.iter().flat_map(|pool| &pool.to);
    match (to.any(To::has_tls), &settings.roots) {
        (false, _) => Ok(None),
        (true, None) => TlsClient::new().map(Some),
        (true, Some(roots)) => TlsClient::with_roots(roots).map(Some),
    }
}
