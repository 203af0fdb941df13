//! Sitemaps by the protocol of sitemaps.org: XML, gzip of it, lists of addresses, indexes; and feeds, which may be one.

use super::feed::feed;
use super::gzip::{self, End};
use super::places::Places;
use super::xml::{Broken, Name, Step, Walker};
use super::{Link, LinkKind, is_blank};
use std::borrow::Cow;
use std::fmt;

/// How much of a sitemap is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most so many addresses; the protocol allows 50,000.
    pub urls: usize,
    /// At most so many bytes, decompressed; the protocol allows 50 MB, which is 52,428,800.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            urls: 50_000,
            bytes: 52_428_800,
        }
    }
}

/// What a sitemap lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sitemap {
    /// The pages, of the kind [`LinkKind::Page`].
    pub pages: Vec<Link>,
    /// The sitemaps that an index lists, of the kind [`LinkKind::Sitemap`].
    pub sitemaps: Vec<Link>,
    /// Whether it is a feed, of which [`feed`](super::feed()) tells more.
    pub is_feed: bool,
    /// Why the rest was not read; what stands before it is in the lists.
    pub stop: Option<Stop>,
}

/// Why the rest of a sitemap was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// It lists more addresses than this limit.
    Urls(usize),
    /// It has more bytes than this limit, decompressed.
    Bytes(u64),
    /// It is damaged as a gzip file, for this reason.
    Gzip(String),
    /// It cannot be read as XML from a line on, for this reason.
    Xml(u32, String),
    /// It is no sitemap: another document of XML or HTML, or a text without an address.
    NoSitemap,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Urls(limit) => write!(
                f,
                "the sitemap lists more than {limit} addresses, the rest is ignored"
            ),
            Stop::Bytes(limit) => write!(
                f,
                "the sitemap has more than {limit} bytes, the rest is ignored"
            ),
            Stop::Gzip(reason) => write!(f, "the sitemap is damaged as a gzip file: {reason}"),
            Stop::Xml(line, reason) => write!(
                f,
                "the sitemap cannot be read from line {line} on: {reason}"
            ),
            Stop::NoSitemap => write!(f, "the document is no sitemap"),
        }
    }
}

/// Reads a sitemap of any form; its first bytes tell which one.
///
/// Up to [`Limits::bytes`] are kept in memory while a gzip file is read. Entities of the document's own are not
/// expanded. Addresses of other namespaces, such as those of images, are no pages.
///
/// ```
/// use switchboard_crawl::links::{Limits, sitemap};
///
/// let text = b"<urlset><url><loc>http://example.com/?a&amp;b</loc></url></urlset>";
/// let sitemap = sitemap(text, Limits::default());
/// assert_eq!(sitemap.pages[0].target, "http://example.com/?a&b");
/// assert_eq!(sitemap.stop, None);
/// ```
pub fn sitemap(bytes: &[u8], limits: Limits) -> Sitemap {
    if !gzip::is_gzip(bytes) {
        let kept = &bytes[..bytes
            .len()
            .min(usize::try_from(limits.bytes).unwrap_or(usize::MAX))];
        return of_bytes(
            kept,
            limits,
            (kept.len() < bytes.len()).then_some(Stop::Bytes(limits.bytes)),
        );
    }
    let decompressed = gzip::decompress(bytes, limits.bytes);
    let stop = match decompressed.end {
        End::Whole => None,
        End::Limit => Some(Stop::Bytes(limits.bytes)),
        End::Damaged(reason) => Some(Stop::Gzip(reason)),
    };
    of_bytes(&decompressed.bytes, limits, stop)
}

/// Reads a sitemap that is decompressed. `cut` is why its end is missing, which matters more than how it ends.
fn of_bytes(bytes: &[u8], limits: Limits, cut: Option<Stop>) -> Sitemap {
    let text = decode(bytes);
    let is_xml = text.trim_start_matches(is_blank).starts_with('<');
    let mut sitemap = if is_xml {
        of_xml(&text, limits)
    } else {
        of_lines(&text, limits)
    };
    if !matches!(sitemap.stop, Some(Stop::Urls(_))) && cut.is_some() {
        sitemap.stop = cut;
    }
    sitemap
}

/// Sitemaps are UTF-8; those in UTF-16 with a byte order mark are read too.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let units = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..]
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    match bytes {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(bytes),
    }
}

fn of_lines(text: &str, limits: Limits) -> Sitemap {
    let mut places = Places::new(text);
    let mut sitemap = Sitemap::default();
    for line in text.split('\n') {
        let target = line.trim_matches(is_blank);
        let is_address = ["http://", "https://"].iter().any(|scheme| {
            target
                .get(..scheme.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        });
        if !is_address {
            continue;
        }
        if sitemap.pages.len() == limits.urls {
            sitemap.stop = Some(Stop::Urls(limits.urls));
            return sitemap;
        }
        let offset = target.as_ptr().addr() - text.as_ptr().addr();
        sitemap
            .pages
            .push(link(&mut places, offset, target, LinkKind::Page));
    }
    if sitemap.pages.is_empty() && !text.trim_matches(is_blank).is_empty() {
        sitemap.stop = Some(Stop::NoSitemap);
    }
    sitemap
}

fn of_xml(text: &str, limits: Limits) -> Sitemap {
    let mut walker = Walker::new(text);
    let mut places = Places::new(text);
    let mut sitemap = Sitemap::default();
    let mut root = None;
    loop {
        match walker.next() {
            Ok(Some(Step::Open(name, ..))) => match *root.get_or_insert(name) {
                Name::UrlSet | Name::SitemapIndex => {}
                Name::Rss | Name::Feed | Name::Rdf => return of_feed(text, limits),
                _ => break,
            },
            Ok(Some(Step::Close(Name::Loc))) => {
                let (list, kind) = match walker.parent() {
                    Some(Name::Url) => (&mut sitemap.pages, LinkKind::Page),
                    Some(Name::Sitemap) => (&mut sitemap.sitemaps, LinkKind::Sitemap),
                    _ => continue,
                };
                if list.len() == limits.urls {
                    sitemap.stop = Some(Stop::Urls(limits.urls));
                    return sitemap;
                }
                let (offset, target) = walker.text();
                if !target.is_empty() {
                    list.push(link(&mut places, offset, target, kind));
                }
            }
            Ok(Some(Step::Close(_))) => {}
            Ok(None) => break,
            Err(Broken { offset, reason }) => {
                sitemap.stop = Some(Stop::Xml(places.at(offset).0, reason));
                return sitemap;
            }
        }
    }
    if !matches!(root, Some(Name::UrlSet | Name::SitemapIndex)) {
        sitemap.stop = Some(Stop::NoSitemap);
    }
    sitemap
}

fn of_feed(text: &str, limits: Limits) -> Sitemap {
    let mut pages = feed(text).links;
    pages.retain(|link| link.kind == LinkKind::Page);
    let stop = (pages.len() > limits.urls).then_some(Stop::Urls(limits.urls));
    pages.truncate(limits.urls);
    Sitemap {
        pages,
        sitemaps: Vec::new(),
        is_feed: true,
        stop,
    }
}

fn link(places: &mut Places<'_>, offset: usize, target: &str, kind: LinkKind) -> Link {
    let (line, column) = places.at(offset);
    Link {
        target: target.to_owned(),
        line,
        column,
        kind,
        nofollow: false,
        text: String::new(),
    }
}

#[cfg(test)]
mod tests;
