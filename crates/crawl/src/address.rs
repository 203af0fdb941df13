//! The normalised address of a page: what tells two pages apart.
//!
//! # Rules
//!
//! An address is what the [URL standard] makes of a text, with these changes and no others:
//!
//! | part | rule |
//! |---|---|
//! | scheme | `http` and `https`; any other is refused by its name |
//! | user info | dropped: a password is no part of what a page is called |
//! | host | one dot at its end is dropped; an empty label before it is refused |
//! | port | dropped where it is the scheme's default |
//! | path | dot segments are resolved, an empty path is `/` |
//! | query | kept as it is; an empty one loses its `?` |
//! | escapes | `%7e` is `~`, and so for every unreserved character (RFC 3986, 2.3); the others are in upper case |
//! | fragment | dropped; [`Address::join`] returns it |
//! | length | at most [`MAX_LENGTH`] bytes after all that |
//!
//! A `%` that begins no escape stays as it is, since servers are sent it so by browsers. An escape that would
//! complete it to another escape is not decoded: `%%32%65` is not `%2e`. By that, and since the standard's own
//! serialisation is a fixed point, an address that is parsed again is the same address.
//!
//! Parameters are not sorted, and none is dropped, not even `utm_source`. A server may answer another order
//! with another page, and may need what looks like tracking; an address that nobody has linked to is a guess, and
//! a crawler that guesses loses pages. What grows without end is found as a trap.
//!
//! [URL standard]: https://url.spec.whatwg.org/

use std::fmt;
use std::sync::Arc;
use url::{Position, Url};

mod escapes;
mod plain;

/// The length of the longest address, in bytes: what browsers and search engines have agreed on.
pub const MAX_LENGTH: usize = 2_083;

/// The normalised `http` or `https` URL of a page, without user info and fragment.
///
/// Two addresses are equal if their texts are. A clone shares the text.
///
/// ```
/// use switchboard_crawl::Address;
///
/// let address = Address::parse("HTTP://User@Example.COM.:80/a/./b/../%7ec?#top")?;
/// assert_eq!(address.as_str(), "http://example.com/a/~c");
/// assert_eq!(address.origin(), "http://example.com");
/// assert_eq!(address.path_and_query(), "/a/~c");
/// # Ok::<(), switchboard_crawl::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: Arc<str>,
    /// Where the path begins.
    path: u16,
}

/// Why a text gives no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The URL has another scheme than `http` and `https`: this one.
    Scheme(String),
    /// The address would have this many bytes, which are more than [`MAX_LENGTH`].
    TooLong(usize),
    /// The name of the host has an empty label at its end: `example.com..`.
    Host(String),
    /// The text is no URL, for the reason that the URL standard has.
    NoUrl(String),
}

impl Address {
    /// Reads an absolute URL.
    ///
    /// # Errors
    ///
    /// Every variant of [`AddressError`]; [`AddressError::NoUrl`] also for a relative URL.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        refuse_other_schemes(text)?;
        Self::from_url(&Url::parse(text)?)
    }

    /// Takes what [`Address::as_str`] has given before, without looking at it again; `None` if that cannot be.
    pub(crate) fn stored(text: &str) -> Option<Self> {
        let host = text.find("://")? + "://".len();
        let path = host + text[host..].find('/')?;
        Self::of_parts(text.to_owned(), path).ok()
    }

    /// Reads a URL that is relative to `base`, as a page has it; returns the fragment too, without its `#` and
    /// with its escapes.
    ///
    /// # Errors
    ///
    /// Every variant of [`AddressError`].
    ///
    /// ```
    /// use switchboard_crawl::Address;
    /// use url::Url;
    ///
    /// let base = Url::parse("https://example.com/docs/index.html")?;
    /// let (address, fragment) = Address::join(&base, "../img/?x#y")?;
    /// assert_eq!(address.as_str(), "https://example.com/img/?x");
    /// assert_eq!(fragment.as_deref(), Some("y"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(base: &Url, text: &str) -> Result<(Self, Option<String>), AddressError> {
        if let Some((joined, path, fragment)) = plain::join(base, text) {
            return Ok((Self::of_parts(joined, path)?, fragment));
        }
        refuse_other_schemes(text)?;
        let url = base.join(text)?;
        let fragment = url.fragment().map(str::to_owned);
        Ok((Self::from_url(&url)?, fragment))
    }

    /// Normalises a URL that is parsed already.
    ///
    /// # Errors
    ///
    /// Every variant of [`AddressError`] but [`AddressError::NoUrl`].
    pub fn from_url(url: &Url) -> Result<Self, AddressError> {
        let host = match (url.scheme(), url.host_str()) {
            ("http" | "https", Some(host)) => host,
            (scheme, _) => return Err(AddressError::Scheme(scheme.to_owned())),
        };
        let host = match host.strip_suffix('.') {
            Some(name) if name.is_empty() || name.ends_with('.') => {
                return Err(AddressError::Host(host.to_owned()));
            }
            Some(name) => name,
            None => host,
        };
        let mut text = String::with_capacity(url.as_str().len());
        text.extend([url.scheme(), "://", host]);
        if let Some(port) = url.port() {
            text.extend([":", &port.to_string()]);
        }
        let path = text.len();
        escapes::push_normalised(&mut text, &url[Position::BeforePath..Position::AfterPath]);
        if let Some(query) = url.query().filter(|query| !query.is_empty()) {
            text.push('?');
            escapes::push_normalised(&mut text, query);
        }
        Self::of_parts(text, path)
    }

    fn of_parts(text: String, path: usize) -> Result<Self, AddressError> {
        if text.len() > MAX_LENGTH {
            return Err(AddressError::TooLong(text.len()));
        }
        Ok(Self {
            text: text.into(),
            path: path as u16,
        })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address as a URL, to which others are relative.
    pub fn url(&self) -> Url {
        Url::parse(&self.text).expect("an address is a URL")
    }

    /// `scheme://host`, and `:port` where it is not the scheme's default.
    pub fn origin(&self) -> &str {
        &self.text[..usize::from(self.path)]
    }

    /// The host: a name in lower case and ASCII, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        let authority = self
            .origin()
            .split_once("://")
            .map_or("", |(_, authority)| authority);
        match authority.rfind(':') {
            Some(colon) if !authority.ends_with(']') => &authority[..colon],
            _ => authority,
        }
    }

    /// The path and, behind a `?`, the query: what a request asks for, and what robots.txt speaks of.
    pub fn path_and_query(&self) -> &str {
        &self.text[usize::from(self.path)..]
    }
}

/// Refuses `mailto:`, `data:` and their like before they are parsed: they may be long.
fn refuse_other_schemes(text: &str) -> Result<(), AddressError> {
    let text = text.trim_start_matches(|c: char| c <= ' ');
    let Some((scheme, _)) =
        text.split_once(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
    else {
        return Ok(());
    };
    let is_scheme = text[scheme.len()..].starts_with(':')
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_scheme || scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        return Ok(());
    }
    Err(AddressError::Scheme(scheme.to_ascii_lowercase()))
}

impl From<url::ParseError> for AddressError {
    fn from(error: url::ParseError) -> Self {
        AddressError::NoUrl(match error {
            url::ParseError::RelativeUrlWithoutBase => {
                "it has no scheme, such as https://".to_owned()
            }
            other => other.to_string(),
        })
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Scheme(scheme) => {
                write!(f, "{scheme}: is not fetched, only http: and https: are")
            }
            AddressError::TooLong(length) => write!(
                f,
                "{length} bytes are too long, at most {MAX_LENGTH} are taken"
            ),
            AddressError::Host(host) => write!(f, "the host {host} has an empty label"),
            AddressError::NoUrl(reason) => write!(f, "it is no URL: {reason}"),
        }
    }
}

impl std::error::Error for AddressError {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
