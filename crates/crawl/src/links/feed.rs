//! Feeds: RSS 0.9 to 2, and Atom.

use super::collapse::Collapsed;
use super::places::Places;
use super::xml::{Name, Step, Walker, attribute};
use super::{Document, Link, LinkKind, MAX_TITLE, is_data};

/// Finds the links of a feed: its pages ([`LinkKind::Page`]), what it encloses, and its own other addresses.
///
/// What stands before the place from which on the feed cannot be read is returned. [`Document::base`] is the
/// `xml:base` of the feed.
///
/// ```
/// use switchboard_crawl::{LinkKind, links::feed};
///
/// let feed = feed("<feed><title>News</title><entry><link href='/1'/></entry></feed>");
/// assert_eq!((feed.title.as_str(), feed.links[0].target.as_str()), ("News", "/1"));
/// assert_eq!(feed.links[0].kind, LinkKind::Page);
/// ```
pub fn feed(text: &str) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        places: Places::new(text),
        document: Document::default(),
        is_permanent: true,
    };
    let mut walker = Walker::new(text);
    let mut is_first = true;
    while let Ok(Some(step)) = walker.next() {
        match step {
            Step::Open(name, tag, at) => {
                if std::mem::take(&mut is_first) {
                    reader.document.base = attribute(&tag, at, "base").map(|(_, base)| base);
                }
                let value = |attribute_name| attribute(&tag, at, attribute_name);
                match name {
                    Name::Link => reader.atom_link(value("href"), value("rel").map(|(_, rel)| rel)),
                    Name::Enclosure => reader.push_value(value("url"), LinkKind::Media),
                    Name::Content => {
                        reader.push_value(value("src").or_else(|| value("url")), LinkKind::Media)
                    }
                    Name::Guid => {
                        let says_no = value("isPermaLink")
                            .is_some_and(|(_, value)| value.eq_ignore_ascii_case("false"));
                        reader.is_permanent = !says_no;
                    }
                    _ => {}
                }
            }
            Step::Close(name) => {
                let (offset, text) = walker.text();
                reader.close(name, walker.parent(), offset, text);
            }
        }
    }
    reader.document
}

struct Reader<'a> {
    places: Places<'a>,
    document: Document,
    /// Whether the `guid` that was opened last is an address.
    is_permanent: bool,
}

impl Reader<'_> {
    fn atom_link(&mut self, href: Option<(usize, String)>, rel: Option<String>) {
        let kind = match rel.as_deref().unwrap_or("alternate") {
            "enclosure" => LinkKind::Media,
            "self" | "next" | "prev" | "previous" | "first" | "last" => LinkKind::Feed,
            "alternate" | "related" | "via" | "replies" => LinkKind::Page,
            "hub" => LinkKind::Host,
            _ => LinkKind::Relation,
        };
        self.push_value(href, kind);
    }

    fn close(&mut self, name: Name, parent: Option<Name>, offset: usize, text: &str) {
        let is_within = matches!(
            parent,
            Some(Name::Channel | Name::Item | Name::Entry | Name::Feed)
        );
        match name {
            Name::Title if self.document.title.is_empty() && is_within => {
                let mut title = Collapsed::new(MAX_TITLE);
                title.push(text.as_bytes());
                self.document.title = title.take();
            }
            Name::Link | Name::Comments if is_within => self.push(offset, text, LinkKind::Page),
            Name::Guid if is_within && self.is_permanent && text.contains("://") => {
                self.push(offset, text, LinkKind::Page);
            }
            Name::Icon | Name::Logo if is_within => self.push(offset, text, LinkKind::Image),
            _ => {}
        }
    }

    fn push_value(&mut self, value: Option<(usize, String)>, kind: LinkKind) {
        if let Some((offset, target)) = value {
            self.push(offset, &target, kind);
        }
    }

    fn push(&mut self, offset: usize, target: &str, kind: LinkKind) {
        if target.is_empty() || is_data(target) {
            return;
        }
        let (line, column) = self.places.at(offset);
        let (target, text) = (target.to_owned(), String::new());
        self.document.links.push(Link {
            target,
            line,
            column,
            kind,
            nofollow: false,
            text,
        });
    }
}

#[cfg(test)]
mod tests;
