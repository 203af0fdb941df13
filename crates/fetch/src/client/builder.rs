//! The settings of a client.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

use http::HeaderValue;

use crate::cookies::Jar;
use crate::limits::Limits;
use crate::pool::Pool;
use crate::proxy::Proxies;
use crate::rate::Rate;
use crate::retry::Retries;

use super::{Client, Inner};

/// The settings of a [`Client`]: by default no proxies, no retries and no cookies, HTTP/2 where servers speak it, and
/// trust in Mozilla's root certificates.
///
/// ```
/// use std::num::NonZeroU64;
/// use switchboard_fetch::{Client, Proxies};
///
/// let client = Client::builder()
///     .proxies(Proxies::from_env()?)
///     .cookies()
///     .limit_rate(NonZeroU64::new(1 << 20).unwrap())
///     .build();
/// # drop(client);
/// # Ok::<_, switchboard_fetch::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "the settings are for `build`"]
pub struct ClientBuilder {
    limits: Limits,
    roots: Option<Vec<u8>>,
    proxies: Proxies,
    retries: Retries,
    cookies: bool,
    rate: Option<NonZeroU64>,
    http2: bool,
    user_agent: HeaderValue,
}

impl ClientBuilder {
    pub(super) fn new() -> ClientBuilder {
        ClientBuilder {
            limits: Limits::default(),
            roots: None,
            proxies: Proxies::default(),
            retries: Retries::default(),
            cookies: false,
            rate: None,
            http2: true,
            user_agent: HeaderValue::from_static(concat!(
                "switchboard/",
                env!("CARGO_PKG_VERSION")
            )),
        }
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> ClientBuilder {
        self.limits = limits;
        self
    }

    /// Trusts also the root certificates in `pem`. A wrong PEM text is an error of the first https request, in
    /// [`Phase::Tls`](crate::Phase).
    pub fn roots(mut self, pem: Vec<u8>) -> ClientBuilder {
        self.roots = Some(pem);
        self
    }

    /// Sets the proxies.
    pub fn proxies(mut self, proxies: Proxies) -> ClientBuilder {
        self.proxies = proxies;
        self
    }

    /// Sets when requests are sent again.
    pub fn retries(mut self, retries: Retries) -> ClientBuilder {
        self.retries = retries;
        self
    }

    /// Keeps the cookies of servers and sends them back, by the rules of RFC 6265; the client's clones share them.
    pub fn cookies(mut self) -> ClientBuilder {
        self.cookies = true;
        self
    }

    /// Receives no more bytes of bodies per second than this, of all requests together, as they are sent.
    pub fn limit_rate(mut self, bytes_per_second: NonZeroU64) -> ClientBuilder {
        self.rate = Some(bytes_per_second);
        self
    }

    /// Offers servers no HTTP/2.
    pub fn without_http2(mut self) -> ClientBuilder {
        self.http2 = false;
        self
    }

    /// Sets the field `User-Agent` of requests that have none.
    pub fn user_agent(mut self, user_agent: HeaderValue) -> ClientBuilder {
        self.user_agent = user_agent;
        self
    }

    /// Returns a client with these settings.
    pub fn build(self) -> Client {
        Client(Arc::new(Inner {
            limits: self.limits,
            roots: self.roots,
            proxies: self.proxies,
            retries: self.retries,
            cookies: self.cookies.then(|| Mutex::new(Jar::default())),
            rate: self.rate.map(|rate| Arc::new(Rate::new(rate))),
            http2: self.http2,
            user_agent: self.user_agent,
            tls: Mutex::default(),
            pool: Arc::new(Pool::new(self.limits.idle)),
        }))
    }
}
