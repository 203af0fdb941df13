//! The cookies of a client that keeps them (RFC 6265 as browsers apply it: draft 6265bis).

mod date;
mod set_cookie;

use std::net::IpAddr;
use std::time::SystemTime;

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

use self::set_cookie::SetCookie;

/// The most cookies of one domain, and of all; beyond them the oldest are forgotten.
const MOST_OF_DOMAIN: usize = 180;
const MOST: usize = 3000;

/// Cookies, in the order in which they were first set.
#[derive(Default)]
pub(crate) struct Jar(Vec<Cookie>);

struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    /// Whether the server named no domain, so that the cookie is for its host alone.
    host_only: bool,
    path: String,
    secure: bool,
    /// `None` until the client ends.
    expires: Option<SystemTime>,
}

impl Jar {
    /// Keeps what a response from `url` sets.
    pub(crate) fn receive(&mut self, url: &Url, headers: &HeaderMap) {
        let now = SystemTime::now();
        for field in headers.get_all(SET_COOKIE) {
            if let Some(set) = SetCookie::parse(field.as_bytes(), now)
                && let Some(cookie) = accepted(set, url)
            {
                self.keep(cookie, url, now);
            }
        }
    }

    /// Returns the field for a request to `url`: longer paths first, and then in the order in which they were set.
    pub(crate) fn field(&mut self, url: &Url) -> Option<HeaderValue> {
        let now = SystemTime::now();
        self.0.retain(|cookie| !cookie.is_over(now));
        let mut fit: Vec<_> = self.0.iter().filter(|cookie| cookie.fits(url)).collect();
        fit.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pair = |cookie: &&Cookie| match cookie.name.is_empty() {
            true => cookie.value.clone(),
            false => [&cookie.name[..], &cookie.value].join(&b'='),
        };
        let pairs: Vec<_> = fit.iter().map(pair).collect();
        if pairs.is_empty() {
            return None;
        }
        let mut value = HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn keep(&mut self, cookie: Cookie, url: &Url, now: SystemTime) {
        let is_secure = url.scheme() == "https";
        // Whoever speaks without TLS may be anybody, who must not hide what was set with it.
        let hides = |other: &Cookie| {
            other.secure
                && other.name == cookie.name
                && (domain_matches(&other.domain, &cookie.domain)
                    || domain_matches(&cookie.domain, &other.domain))
                && path_matches(&cookie.path, &other.path)
        };
        if !is_secure && self.0.iter().any(hides) {
            return;
        }
        let old = self.0.iter().position(|other| other.is_same(&cookie));
        match (old, cookie.is_over(now)) {
            (Some(at), true) => drop(self.0.remove(at)),
            (Some(at), false) => self.0[at] = cookie,
            (None, true) => {}
            (None, false) => {
                let of_domain = |other: &Cookie| other.domain == cookie.domain;
                if self.0.iter().filter(|other| of_domain(other)).count() >= MOST_OF_DOMAIN
                    && let Some(at) = self.0.iter().position(of_domain)
                {
                    self.0.remove(at);
                }
                if self.0.len() >= MOST {
                    self.0.remove(0);
                }
                self.0.push(cookie);
            }
        }
    }
}

impl Cookie {
    fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn is_same(&self, other: &Cookie) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
    }

    fn fits(&self, url: &Url) -> bool {
        let host = host(url);
        let domain = match self.host_only {
            true => host == self.domain,
            false => domain_matches(&host, &self.domain),
        };
        domain && (!self.secure || url.scheme() == "https") && path_matches(url.path(), &self.path)
    }
}

/// Returns the cookie that a response from `url` may set.
fn accepted(set: SetCookie, url: &Url) -> Option<Cookie> {
    let host = host(url);
    let domain = set.domain.filter(|domain| !domain.is_empty());
    let host_only = match &domain {
        None => true,
        // A domain that is too wide stands for the host itself, as a suffix that is a host does.
        Some(domain) if is_public(domain) && *domain == host => true,
        Some(domain) if is_public(domain) || !domain_matches(&host, domain) => return None,
        Some(_) => false,
    };
    let path = set.path.filter(|path| path.starts_with('/'));
    let named = path.is_some();
    let path = path.unwrap_or_else(|| default_path(url.path()).to_owned());
    let secure = set.secure;
    if secure && url.scheme() != "https" {
        return None;
    }
    // Without a name the value is sent as if it were the pair, so that the promise of a prefix is looked for there.
    let nameless = set.name.is_empty();
    let shown = if nameless { &set.value } else { &set.name };
    let prefix = |prefix: &[u8]| {
        let start = shown.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if prefix(b"__Secure-") && (nameless || !secure) {
        return None;
    }
    if prefix(b"__Host-")
        && !(!nameless && secure && host_only && domain.is_none() && named && path == "/")
    {
        return None;
    }
    Some(Cookie {
        name: set.name,
        value: set.value,
        domain: if host_only {
            host
        } else {
            domain.unwrap_or_default()
        },
        host_only,
        path,
        secure,
        expires: set.expires,
    })
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    host.trim_matches(['[', ']']).to_owned()
}

fn domain_matches(host: &str, domain: &str) -> bool {
    let below = || {
        let rest = host.strip_suffix(domain);
        rest.is_some_and(|rest| rest.ends_with('.')) && host.parse::<IpAddr>().is_err()
    };
    host == domain || below()
}

/// Returns whether a domain belongs to nobody alone, as far as that can be said without a list of them all: one of the
/// first level, and those below countries under which anybody gets a name, such as `co.uk`.
fn is_public(domain: &str) -> bool {
    // A name with the root's dot is as wide as without.
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let Some((second, first)) = domain.rsplit_once('.') else {
        return true;
    };
    let shared = [
        "ac", "co", "com", "edu", "gob", "gov", "gouv", "info", "int", "mil", "name", "ne", "net",
        "nom", "or", "org", "sch",
    ];
    first.len() == 2 && shared.contains(&second)
}

fn path_matches(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// Returns the folder of a path.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

#[cfg(test)]
mod tests;
