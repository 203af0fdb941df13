//! Whether a page has the place that a fragment names.

use percent_encoding::percent_decode_str;
use std::collections::HashSet;

/// The places of a page, to be asked many times.
///
/// ```
/// use switchboard_crawl::{fragment::Anchors, links::html};
///
/// let page = html("<h1 id=über>…</h1><a name=old></a>");
/// let anchors = Anchors::new(&page.anchors);
/// assert!(anchors.has("old") && anchors.has("%C3%BCber"));
/// assert!(anchors.has("") && anchors.has("Top") && anchors.has(":~:text=any"));
/// assert!(!anchors.has("new"));
/// ```
#[derive(Clone, Debug)]
pub struct Anchors<'a> {
    names: HashSet<&'a str>,
}

impl<'a> Anchors<'a> {
    /// Takes the names of [`Document::anchors`](crate::Document::anchors).
    pub fn new(names: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>) -> Self {
        Self {
            names: names.into_iter().map(AsRef::as_ref).collect(),
        }
    }

    /// Whether a fragment leads to a place of the page, as the HTML standard decides it.
    ///
    /// `fragment` is without `#`, with its escapes, as [`Address::join`](crate::Address::join) returns it. What
    /// follows `:~:` is for browsers alone and no part of it. An empty one, and `top` in any case, lead to the begin
    /// of every page. A name is compared as it is, then with its escapes decoded.
    pub fn has(&self, fragment: &str) -> bool {
        is_place(fragment, |name| self.names.contains(name))
    }
}

/// Whether a fragment leads to a place, as [`Anchors::has`] tells, of a page that has the names which `has` knows.
pub(crate) fn is_place(fragment: &str, has: impl Fn(&str) -> bool) -> bool {
    let fragment = fragment
        .split_once(":~:")
        .map_or(fragment, |(fragment, _)| fragment);
    if fragment.is_empty() || has(fragment) {
        return true;
    }
    let decoded = percent_decode_str(fragment).decode_utf8_lossy();
    has(&decoded) || decoded.eq_ignore_ascii_case("top")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_they_are_and_decoded() {
        let anchors = Anchors::new(["a b", "100%", "a%20c", "Top2"]);
        for fragment in [
            "a%20b",
            "a b",
            "100%",
            "100%25",
            "a%20c",
            "a%2520c",
            "tOp",
            "%74op",
            "a b:~:text=x",
        ] {
            assert!(anchors.has(fragment), "{fragment}");
        }
        for fragment in ["A b", "a%20d", "top2", "b:~:text=a"] {
            assert!(!anchors.has(fragment), "{fragment}");
        }
    }

    #[test]
    fn a_page_without_places_has_its_begin() {
        let anchors = Anchors::new([""; 0]);
        assert!(anchors.has("") && anchors.has("top") && !anchors.has("a"));
    }
}
