//! The hosts that are asked without a proxy: `no_proxy`.

use std::net::IpAddr;

use ipnet::IpNet;

#[derive(Clone, Debug, Default)]
pub(super) struct Bypass(Vec<Entry>);

#[derive(Clone, Debug)]
enum Entry {
    All,
    Net(IpNet),
    /// An address or a name, without a dot before it; for one port alone, or for all.
    Host(String, Option<u16>),
}

impl Bypass {
    pub(super) fn parse(text: &str) -> Bypass {
        let words = text.split([',', ' ', '\t', '\n']);
        Bypass(words.filter_map(entry).collect())
    }

    /// Returns whether a host, a name in small letters or an address without brackets, needs no proxy.
    pub(super) fn contains(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.');
        let addr = host.parse::<IpAddr>().ok();
        self.0.iter().any(|entry| match entry {
            Entry::All => true,
            Entry::Net(net) => addr.is_some_and(|addr| net.contains(&addr)),
            Entry::Host(name, only) => {
                only.is_none_or(|only| only == port)
                    && match (addr, name.parse::<IpAddr>()) {
                        (Some(addr), Ok(name)) => addr == name,
                        (Some(_), Err(_)) => false,
                        (None, _) => host
                            .strip_suffix(name.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                    }
            }
        })
    }
}

fn entry(word: &str) -> Option<Entry> {
    let word = word.trim().to_ascii_lowercase();
    if word == "*" {
        return Some(Entry::All);
    }
    if let Ok(net) = word.parse::<IpNet>() {
        return Some(Entry::Net(net));
    }
    let bare = |text: &str| text.trim_matches(['[', ']']).to_owned();
    let (host, port) = match word.rsplit_once(':') {
        // An address of version 6 is no host with a port.
        _ if bare(&word).parse::<IpAddr>().is_ok() => (bare(&word), None),
        Some((host, port)) => match port.parse() {
            Ok(port) => (bare(host), Some(port)),
            Err(_) => (word.clone(), None),
        },
        None => (word.clone(), None),
    };
    let host = host.trim_start_matches("*.").trim_matches('.');
    (!host.is_empty()).then(|| Entry::Host(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cover_what_is_below_them_and_addresses_themselves() {
        let list = "example.com, .intern.example *.star.example\t127.0.0.1,10.0.0.0/8,::1,[fe80::2]:81,Host:8080,,";
        let bypass = Bypass::parse(list);
        for (host, port) in [
            ("example.com", 80),
            ("www.example.com", 443),
            ("example.com.", 80),
            ("intern.example", 80),
            ("a.intern.example", 80),
            ("a.star.example", 80),
            ("127.0.0.1", 9),
            ("10.9.8.7", 80),
            ("::1", 80),
            ("fe80::2", 81),
            ("host", 8080),
        ] {
            assert!(bypass.contains(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("notexample.com", 80),
            ("example.org", 80),
            ("127.0.0.2", 80),
            ("11.0.0.1", 80),
            ("::2", 80),
            ("fe80::2", 80),
            ("host", 80),
            ("1", 80),
        ] {
            assert!(!bypass.contains(host, port), "{host}:{port}");
        }
        assert!(Bypass::parse("a,*").contains("whatever", 1));
        assert!(!Bypass::parse("").contains("whatever", 1));
    }
}
