//! The links of pages: HTML, CSS, sitemaps and feeds.
//!
//! Every function takes any text, never panics, and takes time and memory in proportion to its length.
//!
//! # Lines and columns
//!
//! Both begin with 1 and tell where the target begins, as an editor shows it: behind the quote of an attribute, inside
//! the `url(` of a style sheet. A line ends with a line feed. A column counts characters (Unicode scalar values), not
//! bytes. Character references count as they are written.
//!
//! # Targets
//!
//! A target is what the page has, with its character references and escapes decoded and without the blanks around
//! it. [`Address::join`](crate::Address::join) makes an address of it. Targets with the scheme `data:` are left out,
//! since they lead nowhere.

use std::borrow::Cow;
use url::Url;

mod collapse;
mod css;
mod directives;
mod feed;
mod gzip;
mod html;
mod places;
mod refresh;
mod sitemap;
mod srcset;
mod xml;

pub use css::css;
pub use directives::Directives;
pub use feed::feed;
pub use html::{Wanted, html, html_with};
pub use sitemap::{Limits, Sitemap, Stop, sitemap};

/// The length of the longest [`Link::text`], in characters.
pub const MAX_TEXT: usize = 200;

/// The length of the longest [`Document::title`], in characters.
pub const MAX_TITLE: usize = 500;

/// A link of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What the link leads to, as the page has it: absolute or relative.
    pub target: String,
    /// The line in which the target begins, from 1 on.
    pub line: u32,
    /// The character of the line with which the target begins, from 1 on.
    pub column: u32,
    /// What the link is there for.
    pub kind: LinkKind,
    /// Whether the page asks that nobody follows this link: `rel` has `nofollow`, `ugc` or `sponsored`.
    pub nofollow: bool,
    /// The text of an `a`, or the `alt` of an image or `area`, with each run of blanks as one space; at most
    /// [`MAX_TEXT`] characters. Empty for other kinds.
    pub text: String,
}

/// What a link is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LinkKind {
    /// `<a href>`.
    Anchor,
    /// `<area href>`.
    Area,
    /// `<iframe src>`.
    Iframe,
    /// `<frame src>`.
    Frame,
    /// `<form action>` of a form that is sent by GET, and `formaction`.
    Form,
    /// `<meta http-equiv=refresh>`.
    Refresh,
    /// `<link>` with another relation than the ones below: `next`, `alternate`, `author` …
    Relation,
    /// `<link rel=canonical>`.
    Canonical,
    /// `<link rel=alternate>` to an RSS or Atom feed, and a feed's link to itself or to its other pages.
    Feed,
    /// `cite` of a quotation or a change, and `longdesc`: documents that nobody is led to by a click.
    Cite,
    /// The address of a page in a sitemap or a feed.
    Page,
    /// A sitemap in a sitemap index.
    Sitemap,
    /// `<link rel=stylesheet>`.
    Style,
    /// `@import` of a style sheet.
    Import,
    /// `url()` and the strings of `image-set()` in a style sheet or a `style` attribute.
    Css,
    /// `<script src>`.
    Script,
    /// `<img src>` and its like: `<input type=image>`, `<body background>`, `<video poster>`, SVG's `image` and `use`.
    Image,
    /// A candidate of `srcset` or `imagesrcset`.
    Srcset,
    /// `<link>` to an icon.
    Icon,
    /// `<video src>`, `<audio src>`, `<source src>`, `<track src>`, and what a feed encloses.
    Media,
    /// `<object data>` and `<embed src>`.
    Object,
    /// `<link rel=manifest>`.
    Manifest,
    /// `<link>` that has something loaded early: `preload`, `modulepreload`, `prefetch`.
    Preload,
    /// `<link>` that names a host and no document: `dns-prefetch`, `preconnect`.
    Host,
}

impl LinkKind {
    /// Whether the link leads to a document that has links of its own, so that a crawler follows it.
    pub fn is_page(self) -> bool {
        self <= LinkKind::Sitemap
    }

    /// The element and attribute, or whatever else reports call the link by.
    pub fn name(self) -> &'static str {
        match self {
            LinkKind::Anchor => "a",
            LinkKind::Area => "area",
            LinkKind::Iframe => "iframe",
            LinkKind::Frame => "frame",
            LinkKind::Form => "form",
            LinkKind::Refresh => "refresh",
            LinkKind::Relation => "link",
            LinkKind::Canonical => "canonical",
            LinkKind::Feed => "feed",
            LinkKind::Cite => "cite",
            LinkKind::Page => "page",
            LinkKind::Sitemap => "sitemap",
            LinkKind::Style => "stylesheet",
            LinkKind::Import => "@import",
            LinkKind::Css => "url()",
            LinkKind::Script => "script",
            LinkKind::Image => "img",
            LinkKind::Srcset => "srcset",
            LinkKind::Icon => "icon",
            LinkKind::Media => "media",
            LinkKind::Object => "object",
            LinkKind::Manifest => "manifest",
            LinkKind::Preload => "preload",
            LinkKind::Host => "preconnect",
        }
    }
}

impl std::fmt::Display for LinkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a page says of itself and of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The first `<base href>`, or a feed's first `xml:base`: see [`Document::base_of`].
    pub base: Option<String>,
    /// The links, in the order in which the page has them.
    pub links: Vec<Link>,
    /// The places that a fragment can name: each `id`, and each `name` of an `a`.
    pub anchors: Vec<String>,
    /// The first `<link rel=canonical>`: the address that the page says to be its own.
    pub canonical: Option<String>,
    /// Whether the page asks not to be found by searches (`<meta name=robots>`: `noindex`, `none`).
    pub no_index: bool,
    /// Whether the page asks that none of its links is followed (`nofollow`, `none`).
    pub no_follow: bool,
    /// The text of the first `<title>`, with each run of blanks as one space; at most [`MAX_TITLE`] characters.
    pub title: String,
}

impl Document {
    /// The URL to which the page's links are relative, if `page` is where the page was found.
    ///
    /// ```
    /// use switchboard_crawl::links::html;
    /// use url::Url;
    ///
    /// let page = Url::parse("http://example.com/a/b")?;
    /// let document = html("<base href=/docs/><a href=x>");
    /// assert_eq!(document.base_of(&page).as_str(), "http://example.com/docs/");
    /// # Ok::<(), url::ParseError>(())
    /// ```
    pub fn base_of<'a>(&self, page: &'a Url) -> Cow<'a, Url> {
        let base = self.base.as_deref().and_then(|base| page.join(base).ok());
        match base.filter(|base| !matches!(base.scheme(), "data" | "javascript")) {
            Some(base) => Cow::Owned(base),
            None => Cow::Borrowed(page),
        }
    }
}

/// A link that leads nowhere, or only to a place of the same image or style sheet.
fn is_data(target: &str) -> bool {
    target
        .as_bytes()
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"))
}

/// What the HTML standard and XML take for blank.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

#[cfg(test)]
mod tests;
