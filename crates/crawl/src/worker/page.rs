//! The links of a page, as addresses.

use std::collections::HashSet;

use super::ask::Asked;
use crate::address::Address;
use crate::links::{self, Document, Limits, Link, LinkKind};

/// Returns the addresses that a page links to, most of them once, its title, and the number of its links.
pub(super) fn read(
    address: &Address,
    asked: &Asked,
    nofollow: bool,
) -> (Vec<Address>, String, u32) {
    let url = address.url();
    let document = match kind(address, asked) {
        Kind::Html => links::html(&asked.text()),
        Kind::Css => Document {
            links: links::css(&asked.text()),
            ..Document::default()
        },
        Kind::Xml => {
            let sitemap = links::sitemap(asked.body(), Limits::default());
            Document {
                links: sitemap.sitemaps.into_iter().chain(sitemap.pages).collect(),
                ..Document::default()
            }
        }
        Kind::Other => return Default::default(),
    };
    if nofollow && (document.no_follow || asked.is_nofollow()) {
        return (Vec::new(), document.title, 0);
    }
    let base = document.base_of(&url);
    let followed = |link: &&Link| link.kind != LinkKind::Host && !(nofollow && link.nofollow);
    let mut seen = HashSet::new();
    let mut addresses = Vec::new();
    for link in document.links.iter().filter(followed) {
        let target = link.target.split('#').next().unwrap_or_default();
        // An empty target is a place of the page itself, or of its base.
        if (target.is_empty() && document.base.is_none()) || !seen.insert(target) {
            continue;
        }
        if let Ok((address, _)) = Address::join(&base, target) {
            addresses.push(address);
        }
    }
    let count = u32::try_from(document.links.len()).unwrap_or(u32::MAX);
    (addresses, document.title, count)
}

enum Kind {
    Html,
    Css,
    Xml,
    Other,
}

/// Returns how to read a body, by its type, or by its begin where it has none.
fn kind(address: &Address, asked: &Asked) -> Kind {
    let kind = asked.field("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let path = address.path_and_query();
    match &*kind {
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "text/css" => Kind::Css,
        "image/svg+xml" => Kind::Other,
        "text/xml" | "application/xml" => Kind::Xml,
        "application/gzip" | "application/x-gzip" if path.ends_with(".xml.gz") => Kind::Xml,
        other if other.ends_with("+xml") => Kind::Xml,
        "" => match asked.body().trim_ascii_start() {
            [b'<', b'?', ..] => Kind::Xml,
            [b'<', ..] => Kind::Html,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    }
}
