//! The links of a page, as addresses.

use std::collections::HashSet;

use super::Page;
use super::ask::Asked;
use crate::address::Address;
use crate::check::{self, Checked};
use crate::links::{self, Document, Limits, Link, LinkKind, Wanted};
use crate::output::Answer;
use crate::settings::Settings;
use crate::store::{Entry, take};

/// Reads a page: the addresses that it links to, most of them once, its title, the number of its links, and what a
/// check keeps of it.
pub(super) fn read(entry: &Entry, asked: &Asked, settings: &Settings) -> Page {
    let address = &entry.address;
    let is_check = settings.check.is_some();
    if is_check && entry.priority() == take::OUTSIDE {
        return Page::default();
    }
    let kind = kind(address, asked);
    let document = match kind {
        Kind::Html => links::html_with(&asked.text(), wanted(is_check)),
        Kind::Css => Document {
            links: links::css(&asked.text()),
            ..Document::default()
        },
        Kind::Xml => {
            let sitemap = links::sitemap(asked.body(), Limits::default());
            match sitemap.is_feed {
                true => links::feed(&asked.text()),
                false => Document {
                    links: sitemap.sitemaps.into_iter().chain(sitemap.pages).collect(),
                    ..Document::default()
                },
            }
        }
        Kind::Other => return Page::default(),
    };
    let is_whole = !asked.is_cut();
    let places = matches!(kind, Kind::Html) && is_check && is_whole;
    let names = document.anchors.iter().map(String::as_str);
    let mut checked = Checked {
        links: Vec::new(),
        anchors: places.then(|| check::pack_names(names)),
    };
    let nofollow = settings.nofollow;
    let is_followed = entry.priority() != take::DEEPER;
    if !is_followed || (nofollow && (document.no_follow || asked.is_nofollow())) {
        return Page {
            title: document.title,
            checked: is_check.then_some(checked),
            ..Page::default()
        };
    }
    let url = address.url();
    let base = document.base_of(&url);
    let followed = |link: &&Link| link.kind != LinkKind::Host && !(nofollow && link.nofollow);
    if is_check {
        let links = document.links.iter().filter(followed);
        checked.links = check::pack(document.base.as_deref(), links);
    }
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
    Page {
        links: addresses,
        title: document.title,
        found: count,
        checked: is_check.then_some(checked),
        ..Page::default()
    }
}

/// What is looked for in a page of HTML: all links, and what only a check tells of them.
fn wanted(is_check: bool) -> Wanted {
    Wanted {
        texts: is_check,
        anchors: is_check,
        ..Wanted::ALL
    }
}

/// What a check keeps of a redirect: the fragment that it leads to.
pub(super) fn moved(fragment: Option<String>) -> Option<Checked> {
    fragment.map(|fragment| Checked {
        links: Vec::new(),
        anchors: Some(check::pack_names([fragment.as_str()])),
    })
}

/// Whether a check reads the body of an answer.
pub(super) fn is_read(entry: &Entry, answer: &Answer) -> bool {
    let content_type = answer.field("content-type").unwrap_or_default();
    let content_type = str::from_utf8(content_type).unwrap_or_default();
    entry.priority() != take::OUTSIDE
        && !matches!(kind_named(&entry.address, content_type), Some(Kind::Other))
}

#[derive(Clone, Copy)]
enum Kind {
    Html,
    Css,
    Xml,
    Other,
}

/// Returns how to read a body, by its type, or by its begin where it has none.
fn kind(address: &Address, asked: &Asked) -> Kind {
    let named = kind_named(address, asked.field("content-type").unwrap_or_default());
    named.unwrap_or_else(|| match asked.body().trim_ascii_start() {
        [b'<', b'?', ..] => Kind::Xml,
        [b'<', ..] => Kind::Html,
        _ => Kind::Other,
    })
}

/// Returns how to read a body by its type; `None` if it has none.
fn kind_named(address: &Address, content_type: &str) -> Option<Kind> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let path = address.path_and_query();
    Some(match &*kind {
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "text/css" => Kind::Css,
        "image/svg+xml" => Kind::Other,
        "text/xml" | "application/xml" => Kind::Xml,
        "application/gzip" | "application/x-gzip" if path.ends_with(".xml.gz") => Kind::Xml,
        other if other.ends_with("+xml") => Kind::Xml,
        "" => return None,
        _ => Kind::Other,
    })
}
