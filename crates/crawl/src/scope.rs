//! Which pages belong to a crawl.

use std::collections::{HashMap, HashSet};
use std::fmt;

use regex::Regex;

use crate::Address;

/// Which pages belong to a crawl. Its seeds always do.
///
/// | text | a page belongs if |
/// |---|---|
/// | `host` | its host and port are a seed's |
/// | `domain` | its host is a seed's or one below it, such as `docs.example.org` for `example.org`; a seed's `www.` does not count |
/// | `prefix` | its host and port are a seed's, and its path begins with the seed's up to the last slash |
/// | anything else | the text, a regular expression, is found in its address |
///
/// Both schemes count as one, with their default ports: `https://example.org/` belongs to the host of
/// `http://example.org/`. Another port is another host for `host` and `prefix`, and no matter for `domain`. An
/// address of digits has nothing below it.
///
/// `domain` takes the seed as the widest domain that the user means, and asks no list of public suffixes: of the seed
/// `https://docs.example.co.uk/`, neither `example.co.uk` nor `co.uk` belong. For all of `example.co.uk`, that is the
/// seed.
///
/// ```
/// use switchboard_crawl::{Address, Scope};
///
/// let seed = Address::parse("https://www.example.org/docs/index.html").unwrap();
/// let page = Address::parse("https://blog.example.org/docs/").unwrap();
/// let scope = |text| Scope::parse(text, [&seed]).unwrap();
/// assert!(scope("domain").contains(&page));
/// assert!(!scope("host").contains(&page));
/// assert!(!scope("prefix").contains(&page));
/// assert!(scope(r"/docs/($|.*\.html$)").contains(&page));
/// assert!(Scope::parse("(", [&seed]).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Scope {
    rule: Rule,
    seeds: HashSet<Address>,
    has_grown: bool,
}

#[derive(Clone, Debug)]
enum Rule {
    /// Hosts with ports.
    Host(HashSet<String>),
    /// Hosts without ports.
    Domain(HashSet<String>),
    /// The folders of each host with port.
    Prefix(HashMap<String, Vec<String>>),
    Regex(Regex),
}

/// A scope that is no regular expression.
#[derive(Clone, Debug)]
pub struct ScopeError {
    text: String,
    cause: regex::Error,
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What `regex` says of the text has several lines, of which the last one tells the cause.
        let cause = self.cause.to_string();
        let cause = cause.lines().last().unwrap_or_default();
        let cause = cause.trim_start_matches("error: ");
        write!(
            f,
            "`{}` is no scope: use host, domain, prefix or a regular expression ({cause})",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ScopeError {}

impl Scope {
    /// Reads a scope, and takes the seeds that it is measured from.
    ///
    /// # Errors
    /// The text is none of the words, and no regular expression either.
    pub fn parse<'a>(
        text: &str,
        seeds: impl IntoIterator<Item = &'a Address>,
    ) -> Result<Scope, ScopeError> {
        let rule = match text {
            "host" => Rule::Host(HashSet::new()),
            "domain" => Rule::Domain(HashSet::new()),
            "prefix" => Rule::Prefix(HashMap::new()),
            text => Rule::Regex(Regex::new(text).map_err(|cause| ScopeError {
                text: text.to_owned(),
                cause,
            })?),
        };
        let mut scope = Scope {
            rule,
            seeds: HashSet::new(),
            has_grown: false,
        };
        for seed in seeds {
            scope.add(seed);
        }
        scope.has_grown = false;
        Ok(scope)
    }

    /// Takes one more seed: where a seed redirects to, for example. Returns whether it lay outside before.
    pub fn add(&mut self, seed: &Address) -> bool {
        let grows = !self.contains(seed);
        self.has_grown |= grows;
        match &mut self.rule {
            Rule::Host(hosts) => {
                hosts.insert(authority(seed).to_owned());
            }
            Rule::Domain(hosts) => {
                let host = seed.host();
                let host = host.strip_prefix("www.").unwrap_or(host);
                hosts.insert(host.to_owned());
            }
            Rule::Prefix(folders) => {
                let folders = folders.entry(authority(seed).to_owned()).or_default();
                let folder = folder(seed);
                if !folders.iter().any(|known| folder.starts_with(known)) {
                    folders.push(folder.to_owned());
                }
            }
            Rule::Regex(_) => {}
        }
        self.seeds.insert(seed.clone());
        grows
    }

    /// Whether this is a seed, or was added as one.
    pub(crate) fn is_seed(&self, address: &Address) -> bool {
        self.seeds.contains(address)
    }

    /// Whether what was added lay outside of the scope of the first seeds.
    pub(crate) fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// Whether a page belongs to the crawl.
    pub fn contains(&self, address: &Address) -> bool {
        let found = match &self.rule {
            Rule::Host(hosts) => hosts.contains(authority(address)),
            Rule::Domain(hosts) => is_below(hosts, address.host()),
            Rule::Prefix(folders) => folders.get(authority(address)).is_some_and(|folders| {
                let path = path(address);
                folders.iter().any(|folder| path.starts_with(folder))
            }),
            Rule::Regex(regex) => regex.is_match(address.as_str()),
        };
        found || self.seeds.contains(address)
    }
}

/// Returns the host with its port, if that is none of a scheme.
fn authority(address: &Address) -> &str {
    let origin = address.origin();
    origin.split_once("://").map_or(origin, |(_, rest)| rest)
}

fn path(address: &Address) -> &str {
    let text = address.path_and_query();
    text.split_once('?').map_or(text, |(path, _)| path)
}

/// Returns the path up to its last slash, with it.
fn folder(address: &Address) -> &str {
    let path = path(address);
    &path[..path.rfind('/').map_or(0, |slash| slash + 1)]
}

/// Whether a host, or one that it is below, is one of those.
fn is_below(hosts: &HashSet<String>, host: &str) -> bool {
    if hosts.contains(host) {
        return true;
    }
    let is_number = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    let mut above = host;
    while !is_number && let Some((_, rest)) = above.split_once('.') {
        if hosts.contains(rest) {
            return true;
        }
        above = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::Scope;
    use crate::Address;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// A scope, its seeds, what belongs to it and what does not.
    type Row = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
    );

    const ROWS: &[Row] = &[
        (
            "host",
            &["http://example.org/a/b.html", "http://127.0.0.1:8080/"],
            &[
                "http://example.org/",
                "https://example.org/x?y",
                "http://example.org/a/b.html",
                "http://127.0.0.1:8080/deep/er",
                "https://127.0.0.1:8080/",
            ],
            &[
                "http://www.example.org/",
                "http://example.org:8080/",
                "http://example.org.evil.example/",
                "http://127.0.0.1/",
                "http://127.0.0.1:8081/",
                "http://evil.example/?http://example.org/",
            ],
        ),
        (
            "domain",
            &[
                "https://www.example.co.uk/",
                "https://docs.python.example/3/",
                "http://10.0.0.1:81/",
            ],
            &[
                "https://example.co.uk/",
                "http://a.b.example.co.uk:99/",
                "https://www.example.co.uk/x",
                "https://x.docs.python.example/",
                "http://10.0.0.1/",
            ],
            &[
                "https://co.uk/",
                "https://other.co.uk/",
                "https://python.example/",
                "https://notexample.co.uk/",
                "http://1.10.0.0.1.example/",
                "http://10.0.0.2/",
            ],
        ),
        (
            "prefix",
            &[
                "https://example.org/docs/intro.html?v=/x/",
                "https://example.org/api",
                "https://other.example/a/",
            ],
            &[
                "http://example.org/docs/",
                "https://example.org/docs/a/b",
                "https://example.org/docs/intro.html?v=/x/",
                "https://other.example/a/?b",
            ],
            &[
                "https://other.example/",
                "https://other.example/ab",
                "https://example.net/docs/",
            ],
        ),
        (
            r"^https?://[^/]*\.example/wiki/",
            &["https://en.example/main"],
            &[
                "https://en.example/wiki/A",
                "http://de.example/wiki/",
                "https://en.example/main",
            ],
            &[
                "https://en.example/talk/A",
                "https://evil.test/?https://en.example/wiki/",
            ],
        ),
    ];

    #[test]
    fn scopes_have_what_their_table_says() {
        for (text, seeds, inside, outside) in ROWS {
            let seeds: Vec<Address> = seeds.iter().map(|seed| address(seed)).collect();
            let scope = Scope::parse(text, &seeds).unwrap();
            for page in *inside {
                assert!(scope.contains(&address(page)), "{text}: {page} belongs");
            }
            for page in *outside {
                assert!(
                    !scope.contains(&address(page)),
                    "{text}: {page} does not belong"
                );
            }
        }
    }

    #[test]
    fn a_seed_in_a_folder_of_its_own_has_no_siblings() {
        let scope = Scope::parse("prefix", &[address("https://example.org/docs/a.html")]).unwrap();
        assert!(!scope.contains(&address("https://example.org/")));
        assert!(!scope.contains(&address("https://example.org/docs")));
        assert!(!scope.contains(&address("https://example.org/docsearch/")));
    }

    #[test]
    fn where_a_seed_redirects_to_can_join() {
        let mut scope = Scope::parse("host", &[address("http://example.org/")]).unwrap();
        let target = address("http://www.example.org/");
        assert!(!scope.contains(&target));
        scope.add(&target);
        assert!(scope.contains(&address("http://www.example.org/a")));
    }

    #[test]
    fn the_error_is_one_line() {
        let error = Scope::parse("a(b\n", []).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.starts_with(r"`a(b\n` is no scope: use host, domain, prefix or"),
            "{error}"
        );
    }
}
