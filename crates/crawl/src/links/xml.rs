//! The elements of sitemaps and feeds, read as leniently as XML can be.

use super::is_blank;
use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// How deep elements are read. No sitemap and no feed is nested so deeply.
const MAX_DEPTH: usize = 64;

/// The length of the longest text that is kept, in bytes; more than any address has.
const MAX_TEXT: usize = 8 * 1024;

/// The elements that matter, by their names without prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Channel,
    Comments,
    Content,
    Enclosure,
    Entry,
    Feed,
    Guid,
    Icon,
    Item,
    Link,
    Loc,
    Logo,
    Rdf,
    Rss,
    Sitemap,
    SitemapIndex,
    Title,
    Url,
    UrlSet,
    Other,
}

impl Name {
    fn of(name: &str) -> Self {
        let mut lower = [0; 12];
        let Some(lower) = lower.get_mut(..name.len()) else {
            return Name::Other;
        };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        match &*lower {
            b"channel" => Name::Channel,
            b"comments" => Name::Comments,
            b"content" => Name::Content,
            b"enclosure" => Name::Enclosure,
            b"entry" => Name::Entry,
            b"feed" => Name::Feed,
            b"guid" => Name::Guid,
            b"icon" => Name::Icon,
            b"item" => Name::Item,
            b"link" => Name::Link,
            b"loc" => Name::Loc,
            b"logo" => Name::Logo,
            b"rdf" => Name::Rdf,
            b"rss" => Name::Rss,
            b"sitemap" => Name::Sitemap,
            b"sitemapindex" => Name::SitemapIndex,
            b"title" => Name::Title,
            b"url" => Name::Url,
            b"urlset" => Name::UrlSet,
            _ => Name::Other,
        }
    }
}

/// What a document has next.
pub(super) enum Step<'a> {
    /// An element begins at an offset.
    Open(Name, BytesStart<'a>, usize),
    /// An element ends; [`Walker::text`] is what it had directly behind its last child.
    Close(Name),
}

/// Why a document could be read no further.
pub(super) struct Broken {
    pub(super) offset: usize,
    pub(super) reason: String,
}

/// Walks through the elements of a document.
pub(super) struct Walker<'a> {
    source: &'a str,
    reader: Reader<&'a [u8]>,
    path: Vec<Name>,
    text: String,
    /// Where the text begins.
    text_at: usize,
    /// Whether the text is that of an element which has ended.
    is_told: bool,
}

impl<'a> Walker<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let mut reader = Reader::from_str(source);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        config.expand_empty_elements = true;
        Self {
            source,
            reader,
            path: Vec::new(),
            text: String::new(),
            text_at: 0,
            is_told: false,
        }
    }

    /// The element around the one that was told last.
    pub(super) fn parent(&self) -> Option<Name> {
        self.path.last().copied()
    }

    /// The text of the element that has just ended, and its offset, without the blanks around it.
    pub(super) fn text(&self) -> (usize, &str) {
        let text = self.text.trim_start_matches(is_blank);
        (
            self.text_at + self.text.len() - text.len(),
            text.trim_end_matches(is_blank),
        )
    }

    /// The next step; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Step<'a>>, Broken> {
        if std::mem::take(&mut self.is_told) {
            self.text.clear();
        }
        loop {
            let offset = self.reader.buffer_position() as usize;
            match self.reader.read_event() {
                Ok(Event::Start(start)) => return self.open(start, offset).map(Some),
                Ok(Event::End(_)) => {
                    if let Some(name) = self.path.pop() {
                        self.is_told = true;
                        return Ok(Some(Step::Close(name)));
                    }
                }
                Ok(Event::Text(text)) => self.push_text(&text.into_inner(), offset),
                Ok(Event::CData(text)) => {
                    self.push_text(&text.into_inner(), offset + "<![CDATA[".len())
                }
                Ok(Event::GeneralRef(reference)) => self.push_reference(&reference, offset),
                Ok(Event::Eof) if self.path.is_empty() => return Ok(None),
                Ok(Event::Eof) => {
                    return Err(self.broken(offset, "it ends within an element".to_owned()));
                }
                Ok(_) | Err(Error::IllFormed(_)) => {}
                Err(error) => return Err(self.broken(offset, error.to_string())),
            }
        }
    }

    fn open(&mut self, start: BytesStart<'a>, offset: usize) -> Result<Step<'a>, Broken> {
        if self.path.len() == MAX_DEPTH {
            return Err(self.broken(
                offset,
                format!("elements are nested more than {MAX_DEPTH} deep"),
            ));
        }
        self.text.clear();
        let name = Name::of(start.name().local_name().as_ref());
        self.path.push(name);
        Ok(Step::Open(name, start, offset))
    }

    fn broken(&self, offset: usize, reason: String) -> Broken {
        Broken {
            offset: offset.min(self.source.len()),
            reason,
        }
    }

    fn push_text(&mut self, text: &str, offset: usize) {
        // The blanks before the first piece of text are left out, so that it tells the text's place.
        if self.text.is_empty() {
            let text = text.trim_start_matches(is_blank);
            let blanks = self.source.get(offset..).map_or(0, |rest| {
                rest.len() - rest.trim_start_matches(is_blank).len()
            });
            self.text_at = offset + blanks;
            self.push(text);
        } else {
            self.push(text);
        }
    }

    fn push_reference(&mut self, reference: &BytesRef<'_>, offset: usize) {
        if self.text.is_empty() {
            self.text_at = offset;
        }
        match (reference.resolve_char_ref(), &**reference) {
            (Ok(Some(c)), _) => self.push(c.encode_utf8(&mut [0; 4])),
            (_, name) => match predefined(name) {
                Some(c) => self.push(c.encode_utf8(&mut [0; 4])),
                // Entities of the document's own are not expanded, since they can be bombs.
                None => ["&", name, ";"]
                    .into_iter()
                    .for_each(|text| self.push(text)),
            },
        }
    }

    fn push(&mut self, text: &str) {
        let space = MAX_TEXT.saturating_sub(self.text.len());
        self.text.push_str(&text[..text.floor_char_boundary(space)]);
    }
}

/// The value of an attribute by its name without prefix, decoded, with its offset; `element` is where the tag begins.
pub(super) fn attribute(
    tag: &BytesStart<'_>,
    element: usize,
    name: &str,
) -> Option<(usize, String)> {
    let content: &str = tag;
    for attribute in tag.attributes().with_checks(false).flatten() {
        if attribute.key.local_name().as_ref() != name {
            continue;
        }
        let raw = &*attribute.value;
        let value = raw.trim_start_matches(is_blank);
        let within = value
            .as_ptr()
            .addr()
            .checked_sub(content.as_ptr().addr())
            .filter(|at| *at <= content.len());
        return Some((
            element + 1 + within.unwrap_or(0),
            unescape(value.trim_end_matches(is_blank)),
        ));
    }
    None
}

/// Decodes the references that XML has by itself; others stay as they are.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len().min(MAX_TEXT));
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest
            .as_bytes()
            .iter()
            .take(12)
            .position(|byte| *byte == b';')
            .map_or("", |end| &rest[..end]);
        let c = match name.strip_prefix('#') {
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16)
                    .ok()
                    .and_then(char::from_u32),
                None => number.parse().ok().and_then(char::from_u32),
            },
            None => predefined(name),
        };
        match c {
            Some(c) => {
                out.push(c);
                rest = &rest[name.len() + 1..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}
