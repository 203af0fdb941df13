//! What a proxy is told, and the check that it makes sense.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::http::{Cidr, Route};
use super::pool::PoolSettings;

/// What a proxy passes on.
///
/// ```
/// use switchboard_apps::proxy::Mode;
///
/// assert_eq!("tcp".parse(), Ok(Mode::Tcp));
/// assert_eq!(Mode::Tcp.to_string(), "tcp");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Bytes, of any protocol, both ways.
    #[default]
    Tcp,
    /// Requests of HTTP/1, each to a back end of its own.
    Http,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        match text {
            "tcp" => Ok(Mode::Tcp),
            "http" => Ok(Mode::Http),
            _ => Err(format!("unknown mode `{text}`: use tcp or http")),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Tcp => f.write_str("tcp"),
            Mode::Http => f.write_str("http"),
        }
    }
}

/// How long a proxy waits for its peers.
///
/// ```
/// use switchboard_apps::proxy::Timeouts;
///
/// assert_eq!(Timeouts::default().idle.as_secs(), 600);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// In mode tcp, and of a connection that has left HTTP, the time without a byte in either direction after which
    /// it is cut, up to a quarter more: 10 min.
    pub idle: Duration,
    /// The same once one side has ended its direction: 2 min.
    pub half_closed: Duration,
    /// In mode http, the time from the last byte of a request to the head of its answer: 60 s.
    pub first_byte: Duration,
    /// In mode http, the time between two pieces of an answer's body, or of the request's while that goes on: 60 s.
    pub body_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            idle: Duration::from_secs(600),
            half_closed: Duration::from_secs(120),
            first_byte: Duration::from_secs(60),
            body_idle: Duration::from_secs(60),
        }
    }
}

/// Everything that a proxy is told.
///
/// ```
/// use switchboard_apps::proxy::{PoolSettings, Settings};
///
/// let mut settings = Settings::default();
/// assert!(settings.check().unwrap_err().contains("no back end"));
/// settings.pools[0].to.push("127.0.0.1:8001".parse().unwrap());
/// assert_eq!(settings.check(), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is passed on: TCP.
    pub mode: Mode,
    /// The pools, by name: one without a back end.
    pub pools: Vec<PoolSettings>,
    /// In mode http, which requests go to which pool. Without any, all go to the only pool.
    pub routes: Vec<Route>,
    /// In mode http, the peers whose `Forwarded` and `X-Forwarded-…` fields are kept: none.
    pub trust: Vec<Cidr>,
    /// Certificates of authorities for back ends by TLS, as PEM, beside Mozilla's.
    pub roots: Option<Vec<u8>>,
    /// How long the proxy waits for its peers.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::default(),
            pools: vec![PoolSettings::default()],
            routes: Vec::new(),
            trust: Vec::new(),
            roots: None,
            timeouts: Timeouts::default(),
        }
    }
}

impl Settings {
    /// Checks what can be checked without looking a name up.
    ///
    /// # Errors
    /// One line: what is wrong, where, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.pools.is_empty() {
            return Err("no pool: give one back end at least".to_owned());
        }
        let mut names = HashSet::new();
        for pool in &self.pools {
            if !names.insert(&pool.name) {
                return Err(format!(
                    "two pools have the name `{}`: use another one",
                    pool.name
                ));
            }
            self.check_pool(pool)?;
        }
        for (index, route) in self.routes.iter().enumerate() {
            self.check_route(route)?;
            if self.routes[..index].iter().any(|it| it.is_same(route)) {
                return Err(format!(
                    "{} is there twice: leave one out",
                    route.described()
                ));
            }
        }
        match self.mode {
            Mode::Tcp if self.pools.len() > 1 || !self.routes.is_empty() => Err(
                "mode tcp has one pool and no route: it knows neither hosts nor paths to choose by"
                    .to_owned(),
            ),
            Mode::Http if self.pools.len() > 1 && self.routes.is_empty() => {
                Err("several pools and no route: say which requests go to which pool".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_route(&self, route: &Route) -> Result<(), String> {
        let Route { path, pool, .. } = route;
        route.check_host()?;
        if !path.starts_with('/') {
            return Err(format!(
                "a route has the path `{path}`: begin it with a slash"
            ));
        }
        match self.pools.iter().any(|it| it.name == *pool) {
            true => Ok(()),
            false => Err(format!(
                "the route of {path} goes to the pool `{pool}`, which is not there"
            )),
        }
    }

    fn check_pool(&self, pool: &PoolSettings) -> Result<(), String> {
        let PoolSettings { name, to, .. } = pool;
        if to.is_empty() {
            return Err(format!("pool `{name}` has no back end: give one at least"));
        }
        for (index, one) in to.iter().enumerate() {
            if to[..index].contains(one) {
                return Err(format!(
                    "pool `{name}` has the back end {one} twice: leave one out"
                ));
            }
            if self.mode == Mode::Tcp && one.is_url() {
                return Err(format!(
                    "the back end {one} speaks HTTP: use HOST:PORT in mode tcp"
                ));
            }
        }
        if self.mode == Mode::Tcp && matches!(&pool.balance, super::Balance::Hash(Some(_))) {
            return Err("mode tcp sees no header to balance by: use --balance hash".to_owned());
        }
        if pool.max_in_flight == Some(0) {
            return Err(format!(
                "pool `{name}` allows nothing in flight: use 1 at least"
            ));
        }
        let times = [
            pool.check_interval,
            pool.check_timeout,
            pool.connect_timeout,
        ];
        let Timeouts {
            idle,
            half_closed,
            first_byte,
            body_idle,
        } = self.timeouts;
        let times = times
            .into_iter()
            .chain([idle, half_closed, first_byte, body_idle]);
        match times.min() {
            Some(Duration::ZERO) => Err("a time of zero: use a longer one".to_owned()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_that_cannot_count_are_refused() {
        let checked = |hosts: [&str; 2]| {
            let mut settings = Settings {
                mode: Mode::Http,
                ..Settings::default()
            };
            settings.pools[0].to = vec!["127.0.0.1:80".parse().unwrap()];
            let route = |host: &str| Route {
                host: Some(host.to_owned()),
                path: "/a".to_owned(),
                pool: "default".to_owned(),
            };
            settings.routes = hosts.map(route).into();
            settings.check()
        };
        assert_eq!(checked(["a.org", "*.a.org"]), Ok(()));
        assert_eq!(
            checked(["a.org", "A.ORG"]).unwrap_err(),
            "the route of A.ORG and /a is there twice: leave one out"
        );
        let error = checked(["a.org", "b.org:80"]).unwrap_err();
        assert!(error.contains("leave the port out"), "{error}");
    }
}
