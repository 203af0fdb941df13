//! Where a request goes: its URL without the user's name and password, which no text ever shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Phase};

/// The scheme, the host and the port of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// Whether the scheme is https.
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A URL to ask for, and the credentials that were in it.
#[derive(Clone)]
pub(crate) struct Target {
    /// Without user name and password.
    pub(crate) url: Url,
    pub(crate) origin: Origin,
    /// `Basic …`
    pub(crate) credentials: Option<HeaderValue>,
}

impl Target {
    /// # Errors
    /// [`Phase::Url`] for a text that is no URL, or none of http or https.
    pub(crate) fn parse(text: &str) -> Result<Target, Error> {
        let url = Url::parse(text).map_err(|error| {
            let text = redacted(text);
            Error::new(Phase::Url, format!("`{text}`: {error}"))
        })?;
        Target::new(url)
    }

    /// Returns the target of a redirect: `location` as it was received, seen from this one.
    ///
    /// # Errors
    /// [`Phase::FirstByte`] for bytes that are no URL, [`Phase::Url`] for another scheme.
    pub(crate) fn join(&self, location: &[u8]) -> Result<Target, Error> {
        let text = encoded(location);
        let mut url = self.url.join(&text).map_err(|error| {
            let text = redacted(&text);
            Error::new(Phase::FirstByte, format!("redirect to `{text}`: {error}"))
        })?;
        if url.fragment().is_none() {
            url.set_fragment(self.url.fragment());
        }
        let mut next = Target::new(url)?;
        if next.credentials.is_none() && next.origin == self.origin {
            next.credentials.clone_from(&self.credentials);
        }
        Ok(next)
    }

    fn new(mut url: Url) -> Result<Target, Error> {
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            other => {
                let text = format!("`{other}` is not supported: use http or https");
                return Err(Error::new(Phase::Url, text));
            }
        };
        let credentials = basic(url.username(), url.password().unwrap_or_default());
        // Neither fails for a URL with a host, which both schemes have.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Error::new(Phase::Url, format!("`{url}` names no host")));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let origin = Origin {
            secure,
            host: host.to_owned(),
            port,
        };
        Ok(Target {
            url,
            origin,
            credentials,
        })
    }

    /// Returns the host, with the port if it is not the scheme's own.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    pub(crate) fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

/// Returns the value of a field for a user's name and password as they stand in a URL, if there are any.
pub(crate) fn basic(name: &str, password: &str) -> Option<HeaderValue> {
    if name.is_empty() && password.is_empty() {
        return None;
    }
    let mut text = percent_decode_str(name).collect::<Vec<u8>>();
    text.push(b':');
    text.extend(percent_decode_str(password));
    let value = format!("Basic {}", STANDARD.encode(text));
    let mut value = HeaderValue::from_str(&value).expect("base64 is text");
    value.set_sensitive(true);
    Some(value)
}

/// Returns a text that is meant as a URL without what may be a password in it: all up to the last `@`, but for a
/// scheme.
pub(crate) fn redacted(text: &str) -> String {
    let Some((user, rest)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    match user.split_once("://") {
        Some((scheme, _)) if !scheme.contains([':', '/', '@']) => format!("{scheme}://…@{rest}"),
        _ => format!("…@{rest}"),
    }
}

/// Returns the bytes of a `Location` as text, those beyond ASCII percent-encoded one by one: so UTF-8 stays what it
/// is, and so does Latin-1.
fn encoded(location: &[u8]) -> String {
    let mut text = String::with_capacity(location.len());
    for byte in location {
        match byte.is_ascii() {
            true => text.push(char::from(*byte)),
            false => text.push_str(percent_encoding::percent_encode_byte(*byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(base: &str, location: &[u8]) -> String {
        Target::parse(base)
            .unwrap()
            .join(location)
            .unwrap()
            .url
            .into()
    }

    #[test]
    fn a_location_is_read_byte_for_byte() {
        let base = "http://host/a/b?c#d";
        for (location, expected) in [
            (&b"/caf\xe9"[..], "http://host/caf%E9#d"),
            ("/café".as_bytes(), "http://host/caf%C3%A9#d"),
            (b"?q=\xe9 \xff", "http://host/a/b?q=%E9%20%FF#d"),
            (b"x#y", "http://host/a/x#y"),
            (b"x#", "http://host/a/x#"),
            (b"//other/x", "http://other/x#d"),
            (b"\\\\other\\x", "http://other/x#d"),
            (b" \t/x\ty ", "http://host/xy#d"),
            (b"https:x", "https://x/#d"),
            (b"http:x", "http://host/a/x#d"),
            (b"HTTP://HOST:80/%7euser", "http://host/%7euser#d"),
            (
                "http://bücher.example/".as_bytes(),
                "http://xn--bcher-kva.example/#d",
            ),
            (b".././../x", "http://host/x#d"),
            (b"x y", "http://host/a/x%20y#d"),
        ] {
            assert_eq!(join(base, location), expected);
        }
    }

    #[test]
    fn credentials_leave_the_url_and_follow_within_the_origin() {
        let target = Target::parse("http://us%65r:p%40ss@host/a").unwrap();
        assert_eq!(target.url.as_str(), "http://host/a");
        let credentials = target.credentials.clone().unwrap();
        assert_eq!(credentials, "Basic dXNlcjpwQHNz");
        assert_eq!(target.join(b"/b").unwrap().credentials, Some(credentials));
        for away in [&b"//other/"[..], b"https://host/", b"http://host:81/"] {
            assert_eq!(target.join(away).unwrap().credentials, None);
        }
        let other = target.join(b"http://a:b@host/").unwrap().credentials;
        assert_eq!(other.unwrap(), "Basic YTpi");
    }

    #[test]
    fn no_error_shows_a_password() {
        for text in [
            "http://user:secret@[bad/",
            "http://user:sec/ret@host:x/",
            "http:user:secret@[",
            "user:secret@host",
            "gopher://user:secret@host/",
            "http://user:secret@/",
        ] {
            let Err(error) = Target::parse(text) else {
                panic!("{text}")
            };
            let (shown, debugged) = (error.to_string(), format!("{error:?}"));
            assert!(
                !shown.contains("ret") && !debugged.contains("ret"),
                "{shown}"
            );
        }
        let target = Target::parse("http://host/").unwrap();
        let error = target.join(b"http://user:secret@[bad/").err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
