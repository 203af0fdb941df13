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
        let shown = shown(text);
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

/// Returns a text that is no Redis URL without what may be a password.
fn shown(text: &str) -> String {
    let is_scheme = |it: &str| it.chars().all(|c| c.is_ascii_alphanumeric());
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (format!("{scheme}://"), rest),
        _ => (String::new(), text),
    };
    let (login, host) = match rest.rsplit_once('@') {
        Some((_, host)) => ("…@", host),
        None => ("", rest),
    };
    let (host, asked) = host
        .split_once(['?', '#'])
        .map_or((host, ""), |(host, _)| (host, "?…"));
    // Without a host, the password stands where the port would.
    let host = match host.split_once(':') {
        Some((name, port)) if !is_port(port) || name.is_empty() => format!("{name}:…"),
        _ => host.to_owned(),
    };
    format!("{scheme}{login}{host}{asked}")
}

/// Whether a text is a port, alone or followed by a path.
fn is_port(text: &str) -> bool {
    let port = text.split('/').next().unwrap_or_default();
    port.parse::<u16>().is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_url_is_shown_without_what_may_be_a_password() {
        for (text, shown) in [
            ("http://cache.example/", "http://cache.example/"),
            ("localhost:6379", "localhost:6379"),
            ("redis://:secret@h/x", "redis://…@h/x"),
            ("redis://ann:se@cr/et@h/x", "redis://…@h/x"),
            ("secret@h", "…@h"),
            ("ann:secret@h", "…@h"),
            ("redis://:secret", "redis://:…"),
            ("redis://ann:secret/1", "redis://ann:…"),
            ("redis://:1234", "redis://:…"),
            ("redis://h/x?password=secret", "redis://h/x?…"),
        ] {
            let error = text.parse::<RedisUrl>().unwrap_err();
            assert!(
                error.starts_with(&format!("`{shown}` is no Redis URL: ")),
                "{text}: {error}"
            );
        }
    }
}
