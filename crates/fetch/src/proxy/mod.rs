//! Proxies: which a request goes through, and what it says to them.

mod bypass;
mod tunnel;

use std::fmt;

use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Phase};
use crate::target::{Origin, basic, redacted};

use self::bypass::Bypass;

/// The proxies of a client: one for http, one for https, and the hosts that need none. By default there are none.
///
/// A proxy is `http://[USER:PASSWORD@]HOST[:PORT]`, port 80 unless another is named; or a SOCKS 5 server: with
/// `socks5://` names are looked up here, with `socks5h://` by the server; port 1080. A proxy of HTTP gets http requests in
/// absolute form, and connects further for https (`CONNECT`). No text shows the user and the password.
///
/// ```
/// use switchboard_fetch::{Client, Proxies};
///
/// let proxies = Proxies::default()
///     .http("http://user:secret@proxy.example:3128")?
///     .https("socks5h://localhost")?
///     .except("localhost, .intern.example, 10.0.0.0/8");
/// assert!(!format!("{proxies:?}").contains("secret"));
/// let client = Client::builder().proxies(proxies).build();
/// # drop(client);
/// # Ok::<_, switchboard_fetch::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    bypass: Bypass,
}

#[derive(Clone)]
pub(crate) struct Proxy {
    kind: Kind,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `Basic …`
    credentials: Option<HeaderValue>,
    user: Vec<u8>,
    password: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    /// SOCKS 5; whether it looks names up.
    Socks(bool),
}

impl Proxies {
    /// Sets the proxy for http.
    ///
    /// # Errors
    /// [`Phase::Proxy`] for a text that names no proxy of a known kind.
    pub fn http(mut self, url: &str) -> Result<Proxies, Error> {
        self.http = Some(Proxy::parse(url)?);
        Ok(self)
    }

    /// Sets the proxy for https.
    ///
    /// # Errors
    /// Those of [`http`](Proxies::http).
    pub fn https(mut self, url: &str) -> Result<Proxies, Error> {
        self.https = Some(Proxy::parse(url)?);
        Ok(self)
    }

    /// Sets the hosts that are asked without a proxy, with commas or spaces between them: a name, for itself and all names
    /// below it, with or without a dot before it; an address; a network as `10.0.0.0/8`; each with `:PORT` for that
    /// port alone; or `*` for all hosts.
    pub fn except(mut self, hosts: &str) -> Proxies {
        self.bypass = Bypass::parse(hosts);
        self
    }

    /// Reads the proxies from the environment: `http_proxy`, `https_proxy`, `all_proxy` for what has none of its own, and
    /// `no_proxy`, as [`except`](Proxies::except) takes it; in small letters or else in capitals. `HTTP_PROXY` is not
    /// read in a CGI program (`REQUEST_METHOD` is set), where a client's field `Proxy` would set it.
    ///
    /// # Errors
    /// [`Phase::Proxy`] with the variable, and its value without a password.
    pub fn from_env() -> Result<Proxies, Error> {
        Proxies::from_variables(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// Reads the proxies from variables that are named as those of the environment.
    ///
    /// # Errors
    /// Those of [`from_env`](Proxies::from_env).
    ///
    /// ```
    /// use switchboard_fetch::Proxies;
    ///
    /// let one = |name: &str| (name == "all_proxy").then(|| "socks5://localhost".to_owned());
    /// let proxies = Proxies::from_variables(one)?;
    /// assert!(format!("{proxies:?}").contains("socks5://localhost:1080"));
    /// # Ok::<_, switchboard_fetch::Error>(())
    /// ```
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Proxies, Error> {
        let cgi = get("REQUEST_METHOD").is_some();
        let value = |name: &str| {
            let capitals = name.to_ascii_uppercase();
            let small = get(name).map(|value| (name.to_owned(), value));
            let readable = !(cgi && name == "http_proxy");
            let found = small.or_else(|| {
                let value = get(&capitals).filter(|_| readable)?;
                Some((capitals, value))
            });
            // Set to nothing, a variable says that there is none.
            found.map(|(name, value)| (name, value.trim().to_owned()))
        };
        let proxy = |name: &str| {
            let found = value(name).or_else(|| value("all_proxy"));
            let found = found.filter(|(_, text)| !text.is_empty());
            let parse = |(name, text): (String, String)| {
                let parsed = Proxy::parse(&text);
                parsed
                    .map_err(|error| Error::new(Phase::Proxy, format!("{name}: {}", error.cause())))
            };
            found.map(parse).transpose()
        };
        let hosts = value("no_proxy").map(|(_, text)| text);
        Ok(Proxies {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            bypass: Bypass::parse(&hosts.unwrap_or_default()),
        })
    }

    /// Returns the proxy for an origin.
    pub(crate) fn of(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = match origin.secure {
            true => self.https.as_ref(),
            false => self.http.as_ref(),
        }?;
        (!self.bypass.contains(&origin.host, origin.port)).then_some(proxy)
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Proxy, Error> {
        let wrong = |why: &str| {
            let text = redacted(text);
            let help = "use http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT";
            Error::new(Phase::Proxy, format!("`{text}` {why}: {help}"))
        };
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let url = url.map_err(|error| wrong(&format!("is no proxy: {error}")))?;
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "socks5" => (Kind::Socks(false), 1080),
            "socks5h" => (Kind::Socks(true), 1080),
            _ => return Err(wrong("is a proxy of a kind that is not supported")),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("names no host"))?;
        let (name, password) = (url.username(), url.password().unwrap_or_default());
        let (user, secret): (Vec<u8>, Vec<u8>) = (
            percent_decode_str(name).collect(),
            percent_decode_str(password).collect(),
        );
        if kind != Kind::Http && (user.len() > 255 || secret.len() > 255) {
            return Err(wrong("has a user or a password of more than 255 bytes"));
        }
        Ok(Proxy {
            kind,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: url.port().unwrap_or(port),
            credentials: basic(name, password),
            user,
            password: secret,
        })
    }

    /// Returns whether requests to `origin` are sent to the proxy itself, which sends them on.
    pub(crate) fn forwards(&self, origin: &Origin) -> bool {
        self.kind == Kind::Http && !origin.secure
    }

    /// Returns the credentials of a request that the proxy sends on.
    pub(crate) fn credentials(&self) -> Option<&HeaderValue> {
        self.credentials.as_ref()
    }

    /// Returns whether the proxy is told an address, and no name.
    pub(crate) fn wants_address(&self) -> bool {
        self.kind == Kind::Socks(false)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks(false) => "socks5",
            Kind::Socks(true) => "socks5h",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests;
