//! Which pool a request goes to.

/// A rule by which requests go to a pool. The most specific one that fits counts: first by the host, then by the
/// path, as the client has written it. It is no access control: a back end may take `/x/../api` or `/%61pi` for
/// `/api`.
///
/// ```
/// use switchboard_apps::proxy::Route;
///
/// let route = Route { host: Some("*.example.org".to_owned()), path: "/api".to_owned(), pool: "api".to_owned() };
/// assert!(route.fits("www.example.org:80", "/api/users"));
/// assert!(!route.fits("www.example.org", "/apis"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The host, in any case and without a port, which may be any; `*.` and a name stand for all names below it;
    /// `None` for any.
    pub host: Option<String>,
    /// The beginning of the path, as whole segments.
    pub path: String,
    /// The name of the pool.
    pub pool: String,
}

impl Route {
    /// Returns whether a request with this `Host` field and this path goes by the route.
    pub fn fits(&self, host: &str, path: &str) -> bool {
        self.fits_host(host) && self.fits_path(path)
    }

    fn fits_host(&self, host: &str) -> bool {
        let Some(rule) = &self.host else { return true };
        let host = without_port(host);
        match rule.strip_prefix('*') {
            Some(end) => {
                let start = host.len().checked_sub(end.len());
                start.is_some_and(|at| {
                    at > 0 && host.is_char_boundary(at) && host[at..].eq_ignore_ascii_case(end)
                })
            }
            None => rule.eq_ignore_ascii_case(host),
        }
    }

    fn fits_path(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.prefix());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Checks that the host may fit one.
    ///
    /// # Errors
    /// One line: what is wrong, where, and what to do.
    pub(crate) fn check_host(&self) -> Result<(), String> {
        let Some(host) = &self.host else {
            return Ok(());
        };
        let name = host.strip_prefix("*.").unwrap_or(host);
        let remedy = match host {
            _ if without_port(host) != host => "leave the port out, which may be any",
            _ if name.is_empty() || name.contains('*') => {
                "use NAME or *.NAME, or leave the host out for any"
            }
            _ => return Ok(()),
        };
        Err(format!("a route has the host `{host}`: {remedy}"))
    }

    /// Returns whether the same requests go by both.
    pub(crate) fn is_same(&self, other: &Route) -> bool {
        let host = |route: &Route| route.host.as_ref().map(|it| it.to_ascii_lowercase());
        host(self) == host(other) && self.prefix() == other.prefix()
    }

    /// Returns what an operator calls it.
    pub(crate) fn described(&self) -> String {
        let host = self.host.as_deref().unwrap_or("any host");
        format!("the route of {host} and {}", self.path)
    }

    fn prefix(&self) -> &str {
        self.path.strip_suffix('/').unwrap_or(&self.path)
    }

    /// Returns what tells the more specific of two routes.
    pub(crate) fn rank(&self) -> (u8, usize, usize) {
        let host = match &self.host {
            None => (0, 0),
            Some(host) if host.starts_with('*') => (1, host.len()),
            Some(_) => (2, 0),
        };
        (host.0, host.1, self.path.len())
    }
}

/// Returns a host without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, path: &str) -> Route {
        let host = host.map(str::to_owned);
        Route {
            host,
            path: path.to_owned(),
            pool: "p".to_owned(),
        }
    }

    #[test]
    fn hosts_and_paths_fit_as_wholes() {
        let cases = [
            (Some("a.org"), "/", "A.org", "/x", true),
            (Some("a.org"), "/", "a.org:8080", "/", true),
            (Some("a.org"), "/", "b.a.org", "/", false),
            (Some("a.org"), "/", "", "/", false),
            (Some("*.a.org"), "/", "b.a.org", "/", true),
            (Some("*.a.org"), "/", "c.b.a.org:1", "/", true),
            (Some("*.a.org"), "/", "a.org", "/", false),
            (Some("*.a.org"), "/", "xa.org", "/", false),
            (Some("[::1]"), "/", "[::1]:80", "/", true),
            (None, "/api", "x", "/api", true),
            (None, "/api", "x", "/api/1", true),
            (None, "/api", "x", "/apis", false),
            (None, "/api/", "x", "/api", true),
            (None, "/", "x", "/", true),
            (None, "/", "x", "*", false),
        ];
        for (rule, prefix, host, path, fits) in cases {
            assert_eq!(
                route(rule, prefix).fits(host, path),
                fits,
                "{rule:?} {prefix} {host} {path}"
            );
        }
    }

    #[test]
    fn the_host_counts_before_the_path() {
        let mut routes = [
            route(None, "/very/long/path"),
            route(Some("*.a.org"), "/"),
            route(Some("*.b.a.org"), "/"),
            route(Some("a.org"), "/"),
            route(Some("a.org"), "/x"),
        ];
        let order = [4, 3, 2, 1, 0].map(|at: usize| routes[at].clone());
        routes.sort_by_key(|route| std::cmp::Reverse(route.rank()));
        assert_eq!(routes, order);
    }

    #[test]
    fn hosts_that_fit_none_are_refused() {
        for host in ["a.org", "*.a.org", "[::1]", "localhost"] {
            assert_eq!(route(Some(host), "/").check_host(), Ok(()));
        }
        for (host, remedy) in [
            ("a.org:8080", "leave the port out"),
            ("[::1]:80", "leave the port out"),
            ("*.a.org:80", "leave the port out"),
            ("*a.org", "use NAME or *.NAME"),
            ("*", "use NAME or *.NAME"),
            ("*.", "use NAME or *.NAME"),
            ("a.*.org", "use NAME or *.NAME"),
            ("", "use NAME or *.NAME"),
        ] {
            let error = route(Some(host), "/").check_host().unwrap_err();
            let expected = format!("a route has the host `{host}`: {remedy}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn routes_of_the_same_requests_are_the_same() {
        let is_same = |a: Route, b| a.is_same(&b);
        assert!(is_same(route(None, "/api"), route(None, "/api/")));
        assert!(is_same(
            route(Some("A.org"), "/"),
            route(Some("a.org"), "/")
        ));
        assert!(!is_same(route(Some("a.org"), "/"), route(None, "/")));
        assert!(!is_same(route(None, "/api"), route(None, "/apis")));
    }
}
