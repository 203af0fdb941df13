//! What a client accepts: lists with q-values.

use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// The codings, the one that is usually smallest first.
    pub(super) const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// Returns the name in header fields.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// Returns the ending of a compressed file's name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }
}

/// Returns the codings that the client prefers to the plain content or likes as much, the best first.
pub(super) fn codings(headers: &HeaderMap) -> Vec<Coding> {
    if !headers.contains_key(ACCEPT_ENCODING) {
        return Vec::new();
    }
    let quality = |name| quality(headers, ACCEPT_ENCODING, |item| item == name);
    let rest = quality("*");
    // The plain content is acceptable unless it is excluded, and the last choice unless it is named.
    let plain = quality("identity").unwrap_or(0);
    let qualities = Coding::ALL.map(|coding| {
        let named = quality(coding.name());
        (coding, named.or(rest).unwrap_or(0))
    });
    let mut accepted: Vec<_> = qualities
        .into_iter()
        .filter(|(_, it)| *it > 0 && *it >= plain)
        .collect();
    accepted.sort_by_key(|(_, quality)| std::cmp::Reverse(*quality));
    accepted.into_iter().map(|(coding, _)| coding).collect()
}

/// Returns whether the client wants JSON, and no page for people more than that.
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let of = |kind| quality(headers, ACCEPT, |item| item == kind).unwrap_or(0);
    let json = of("application/json");
    json > 0 && json >= of("text/html")
}

/// Returns whether the client names HTML, as browsers do for pages and not for what is on them.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    quality(headers, ACCEPT, |item| item == "text/html").is_some_and(|it| it > 0)
}

/// Returns the q-value, in thousandths, of the first item of a list for which `is` holds.
fn quality(headers: &HeaderMap, name: HeaderName, is: impl Fn(&str) -> bool) -> Option<u16> {
    let lists = headers.get_all(name).iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    let mut items = lists.flat_map(|list| list.split(','));
    items.find_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let found = parts.next()?.to_ascii_lowercase();
        is(&found).then(|| {
            let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            q.map_or(1000, thousandths)
        })
    })
}

/// Parses a q-value; one that is malformed accepts nothing.
fn thousandths(text: &str) -> u16 {
    let q = text.parse::<f32>().ok();
    let q = q.filter(|q| (0.0..=1.0).contains(q));
    q.map_or(0, |q| (q * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::Coding::*;
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn codings_are_chosen_by_q_values() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip][..]),
            ("gzip", &[Gzip]),
            ("GZIP;Q=0.5", &[Gzip]),
            ("gzip;q=1.0, br;q=0.5", &[Gzip, Brotli]),
            ("gzip;q=0, *", &[Brotli, Zstd]),
            ("*;q=0", &[]),
            ("*", &[Brotli, Zstd, Gzip]),
            ("identity, gzip;q=0.5", &[]),
            ("identity;q=0.5, gzip;q=0.8", &[Gzip]),
            ("identity", &[]),
            ("gzip;q=2", &[]),
            ("x-gzip", &[]),
            ("", &[]),
        ] {
            assert_eq!(
                codings(&headers(ACCEPT_ENCODING, value)),
                expected,
                "{value}"
            );
        }
        assert_eq!(codings(&HeaderMap::new()), []);
    }

    #[test]
    fn json_is_for_those_who_ask() {
        for (value, expected) in [
            ("application/json", true),
            ("application/json, text/html;q=0.5", true),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("*/*", false),
            ("application/json;q=0", false),
            ("application/json;q=0.5, text/html", false),
        ] {
            assert_eq!(wants_json(&headers(ACCEPT, value)), expected, "{value}");
        }
    }
}
