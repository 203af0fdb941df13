//! Where Redis is.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use switchboard_tls::TlsClient;
use url::Url;

/// Where a Redis server is, and how to log in: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, or `rediss://…`
/// for TLS. A password alone is `redis://:PASSWORD@HOST`. The port is 6379 and the database 0 if they are left out.
/// Shown without the password.
///
/// ```
/// use switchboard_redis::RedisUrl;
///
/// let url: RedisUrl = "redis://:secret@cache.example/2".parse().unwrap();
/// assert_eq!(url.to_string(), "redis://cache.example:6379/2");
/// let error = "http://cache.example".parse::<RedisUrl>().unwrap_err();
/// assert!(error.starts_with("`http://cache.example` is no Redis URL"));
/// ```
#[derive(Clone)]
pub struct RedisUrl {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: u32,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) is_tls: bool,
    pub(crate) tls: Option<TlsClient>,
}

const PORT: u16 = 6379;

impl RedisUrl {
    /// Returns the number of the database.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// Sets how the server's certificate is checked, for `rediss://`. Without it, Mozilla's roots are trusted.
    pub fn tls(mut self, client: TlsClient) -> RedisUrl {
        self.tls = Some(client);
        self
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<RedisUrl, String> {
        // The text may have a password in it, which no message is to show.
        let shown = text.rsplit_once('@').map_or_else(
            || text.to_owned(),
            |(login, host)| format!("{}://…@{host}", login.split(':').next().unwrap_or_default()),
        );
        let wrong = |why: &str| {
            format!(
                "`{shown}` is no Redis URL: {why}; use redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]"
            )
        };
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        let is_tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(wrong("it begins with neither redis:// nor rediss://")),
        };
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(|text| text.into_owned())
                .map_err(|_| wrong("the login is not UTF-8"))
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it has no host"))?;
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            number => number
                .parse()
                .map_err(|_| wrong("the database is no number"))?,
        };
        let user = match url.username() {
            "" => None,
            user => Some(decoded(user)?),
        };
        Ok(RedisUrl {
            host: host.to_owned(),
            port: url.port().unwrap_or(PORT),
            database,
            user,
            password: url.password().map(decoded).transpose()?,
            is_tls,
            tls: None,
        })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        let (host, port, database) = (&self.host, self.port, self.database);
        write!(f, "{scheme}://{host}:{port}/{database}")
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}
