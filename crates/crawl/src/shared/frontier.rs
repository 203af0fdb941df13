//! Where a shared frontier is.

use std::time::Duration;

use switchboard_redis::RedisUrl;

/// Where the frontier of a crawl is that several processes share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The server.
    pub url: RedisUrl,
    /// The name of the crawl at the server. `None` for one by the first seed's host and port, or the folder's.
    pub name: Option<String>,
    /// After what time without a call the pages of a process are done by others.
    pub lease: Duration,
    /// How long the server may be away before the crawl ends.
    pub patience: Duration,
}

impl Shared {
    /// A shared crawl with a lease of 30 seconds, which waits five minutes for a server that is away.
    ///
    /// ```
    /// use switchboard_crawl::Shared;
    ///
    /// let shared = Shared::new("redis://127.0.0.1".parse()?);
    /// assert_eq!(shared.lease.as_secs(), 30);
    /// # Ok::<(), String>(())
    /// ```
    pub fn new(url: RedisUrl) -> Shared {
        Shared {
            url,
            name: None,
            lease: Duration::from_secs(30),
            patience: Duration::from_secs(300),
        }
    }
}
