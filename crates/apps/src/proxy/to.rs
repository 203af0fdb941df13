//! Where a back end is, as it is written on the command line and in the configuration.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use switchboard_net::{Target, ToTarget};

/// The address of a back end: `HOST:PORT`, `unix:PATH`, `http://HOST[:PORT]` or `https://HOST[:PORT]`.
///
/// ```
/// use switchboard_apps::proxy::To;
///
/// let to: To = "https://example.org".parse().unwrap();
/// assert!(to.has_tls());
/// assert_eq!(to.to_string(), "https://example.org");
/// assert!("example.org".parse::<To>().unwrap_err().contains("HOST:PORT"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    text: String,
    target: Target,
    scheme: Option<Scheme>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl To {
    /// Returns whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        self.scheme == Some(Scheme::Https)
    }

    /// Returns whether it was written as a URL, and so speaks HTTP.
    pub fn is_url(&self) -> bool {
        self.scheme.is_some()
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the host and the port as a `Host` field has them.
    pub(crate) fn authority(&self) -> &str {
        match self.text.split_once("://") {
            Some((_, rest)) => rest.trim_end_matches('/'),
            None if matches!(self.target, Target::Path(_)) => "localhost",
            None => &self.text,
        }
    }

    /// Returns the host, without port and brackets: the name that a certificate must have.
    pub(crate) fn host(&self) -> String {
        match &self.target {
            Target::Name(host, _) => host.clone(),
            Target::Addrs(addrs) => addrs
                .first()
                .map(|it| it.ip().to_string())
                .unwrap_or_default(),
            Target::Path(_) => "localhost".to_owned(),
        }
    }

    /// Returns the addresses; none of a path. Blocks the thread while a name is looked up, and starts no other
    /// one, so that a server may fork afterwards.
    pub(crate) fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.target {
            Target::Path(_) => Ok(Vec::new()),
            Target::Addrs(addrs) => Ok(addrs.clone()),
            Target::Name(host, port) => {
                let found = (host.as_str(), *port).to_socket_addrs();
                let explained = |error: io::Error| {
                    let text = format!("cannot resolve {host}: {error}; check the name");
                    io::Error::new(error.kind(), text)
                };
                Ok(found.map_err(explained)?.collect())
            }
        }
    }
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<To, String> {
        let wrong = |why: &str| {
            let remedy = "use HOST:PORT, unix:PATH, http://HOST:PORT or https://HOST:PORT";
            match why {
                "use HOST:PORT" => format!("`{text}` is no back end: {remedy}"),
                _ => format!("`{text}` is no back end: {why}; {remedy}"),
            }
        };
        let of_url = |scheme, rest: &str, port| {
            let host = rest.strip_suffix('/').unwrap_or(rest);
            if host.contains(['/', '?', '#', '@']) {
                return Err(wrong("a path or a user is not part of it"));
            }
            let has_port = host
                .rsplit_once(':')
                .is_some_and(|(_, it)| !it.contains(']'));
            let target = match has_port {
                true => host.to_target(),
                false => (host, port).to_target(),
            };
            Ok((target, Some(scheme)))
        };
        let (target, scheme) = if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(wrong("the path is missing"));
            }
            (Ok(Target::Path(path.into())), None)
        } else if let Some(rest) = text.strip_prefix("http://") {
            of_url(Scheme::Http, rest, 80)?
        } else if let Some(rest) = text.strip_prefix("https://") {
            of_url(Scheme::Https, rest, 443)?
        } else {
            (text.to_target(), None)
        };
        let target = target.map_err(|error| {
            let error = error.to_string();
            wrong(
                error
                    .rsplit_once(": ")
                    .map_or(error.as_str(), |(_, why)| why),
            )
        })?;
        let text = text.to_owned();
        Ok(To {
            text,
            target,
            scheme,
        })
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, bool) {
        let to: To = text.parse().unwrap();
        (to.authority().to_owned(), to.has_tls())
    }

    #[test]
    fn back_ends_are_addresses_urls_or_paths() {
        let owned = |authority: &str, tls| (authority.to_owned(), tls);
        assert_eq!(parts("here:80"), owned("here:80", false));
        assert_eq!(parts("[::1]:80"), owned("[::1]:80", false));
        assert_eq!(parts("http://here"), owned("here", false));
        assert_eq!(parts("https://[::1]/"), owned("[::1]", true));
        assert_eq!(parts("https://here:8443"), owned("here:8443", true));
        assert_eq!(parts("unix:/run/app"), owned("localhost", false));
        let to: To = "https://here".parse().unwrap();
        assert_eq!(to.target(), &Target::Name("here".to_owned(), 443));
    }

    #[test]
    fn others_are_refused_with_what_to_write() {
        for text in [
            "here",
            "",
            ":80",
            "unix:",
            "http://",
            "http://here:80/path",
            "ftp://here",
            "::1:80",
        ] {
            let error = text.parse::<To>().unwrap_err();
            assert!(error.contains("use HOST:PORT"), "{text}: {error}");
        }
    }
}
