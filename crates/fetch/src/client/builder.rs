//! The settings of a client.

use std::sync::{Arc, Mutex};

use http::HeaderValue;

use crate::limits::Limits;
use crate::pool::Pool;

use super::{Client, Inner};

/// The settings of a [`Client`]: by default trust in Mozilla's root certificates.
///
/// ```
/// use switchboard_fetch::header::HeaderValue;
/// use switchboard_fetch::Client;
///
/// let client = Client::builder().user_agent(HeaderValue::from_static("me/1")).build();
/// # drop(client);
/// ```
#[derive(Clone)]
#[must_use = "the settings are for `build`"]
pub struct ClientBuilder {
    limits: Limits,
    roots: Option<Vec<u8>>,
    user_agent: HeaderValue,
}

impl ClientBuilder {
    pub(super) fn new() -> ClientBuilder {
        ClientBuilder {
            limits: Limits::default(),
            roots: None,
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
            user_agent: self.user_agent,
            tls: Mutex::default(),
            pool: Arc::new(Pool::new(self.limits.idle)),
        }))
    }
}
