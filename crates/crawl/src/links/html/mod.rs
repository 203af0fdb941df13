//! The links of HTML, by the tokenizer of the HTML standard.
//!
//! html5gum tokenizes and calls the [`Finder`], which keeps of a page only what it is asked for. A tokenizer alone does
//! not know where `<title>` is text and where it is SVG; the finder knows the few elements that decide it, and tells
//! the tokenizer what it has to read next. It runs no scripts, so `noscript` has elements, and `template` has none.

use super::Document;
use foreign::Foreign;
use found::Found;
use html5gum::{Emitter, Error, State, Tokenizer};
use names::{Name, Tag};
use std::convert::Infallible;
use tag::CurrentTag;

mod elements;
mod foreign;
mod found;
mod names;
mod tag;

/// What [`html_with`] looks for besides the links to pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Links to what a page consists of: images, scripts, style sheets, media.
    pub resources: bool,
    /// Links that only name a place of the page itself: `#top`.
    pub local: bool,
    /// The texts of links.
    pub texts: bool,
    /// The places that a fragment can name.
    pub anchors: bool,
}

impl Wanted {
    /// All there is: what a link checker needs.
    pub const ALL: Self = Self {
        resources: true,
        local: true,
        texts: true,
        anchors: true,
    };

    /// Links to other pages, and no more: what a crawler needs.
    pub const PAGES: Self = Self {
        resources: false,
        local: false,
        texts: false,
        anchors: false,
    };
}

/// Finds all that is in a page of HTML, or of XHTML as browsers read it if it is sent as `text/html`.
///
/// ```
/// use switchboard_crawl::links::html;
///
/// let page = html("<title>Start</title>\n<a href='next.html' rel=nofollow>go <b>on</b></a>");
/// assert_eq!(page.title, "Start");
/// let link = &page.links[0];
/// assert_eq!((link.target.as_str(), link.text.as_str(), link.nofollow), ("next.html", "go on", true));
/// assert_eq!((link.line, link.column), (2, 10));
/// ```
pub fn html(text: &str) -> Document {
    html_with(text, Wanted::ALL)
}

/// Finds in a page what is wanted. Title, base, canonical address and directives are always read.
///
/// ```
/// use switchboard_crawl::links::{Wanted, html_with};
///
/// let page = html_with("<img src=a.png id=b><a href=c>d</a>", Wanted::PAGES);
/// assert_eq!(page.links.len(), 1);
/// assert_eq!(page.links[0].text, "");
/// assert!(page.anchors.is_empty());
/// ```
pub fn html_with(text: &str, wanted: Wanted) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut document = Document::default();
    let Ok(()) =
        Tokenizer::new_with_emitter(text, Finder::new(text, wanted, &mut document)).finish();
    document
}

/// What the tokenizer tells its tokens to.
struct Finder<'a, 'd> {
    source: &'a str,
    /// Where in the source the tokenizer is.
    position: usize,
    /// Where the last `<` is.
    markup: usize,
    tag: CurrentTag<'a>,
    last_start: Name,
    foreign: Foreign,
    /// How many `template` are open.
    templates: u32,
    /// The element whose content is text, if one is open.
    raw: Option<Tag>,
    /// Where the content of an open `style` begins.
    style: Option<usize>,
    found: Found<'a, 'd>,
}

impl<'a, 'd> Finder<'a, 'd> {
    fn new(source: &'a str, wanted: Wanted, document: &'d mut Document) -> Self {
        Self {
            source,
            position: 0,
            markup: 0,
            tag: CurrentTag::new(source),
            last_start: Name::default(),
            foreign: Foreign::default(),
            templates: 0,
            raw: None,
            style: None,
            found: Found::new(source, wanted, document),
        }
    }

    fn start_tag(&mut self) -> Option<State> {
        // Only in SVG, where a style sheet ends with the first element within it.
        self.end_style(self.markup);
        self.last_start = self.tag.name;
        let is_foreign = self
            .foreign
            .start(self.tag.name.get(), self.tag.is_self_closing);
        let tag = match Tag::of(self.tag.name.get()) {
            Tag::Other if self.tag.attributes().is_empty() => return None,
            Tag::Image if !is_foreign => Tag::Img,
            Tag::Use if !is_foreign => Tag::Other,
            tag => tag,
        };
        if self.templates == 0 {
            self.found.look(&self.tag, tag, is_foreign);
        }
        if tag == Tag::Style && self.templates == 0 && !(is_foreign && self.tag.is_self_closing) {
            let media_type = self.tag.text(names::Attr::Type);
            let is_css = media_type.is_empty() || media_type.eq_ignore_ascii_case("text/css");
            self.style = is_css.then_some(self.position);
        }
        if is_foreign {
            return None;
        }
        let state = match tag {
            Tag::Title | Tag::Textarea => State::RcData,
            Tag::Style | Tag::Iframe | Tag::Raw => State::RawText,
            Tag::Script => State::ScriptData,
            Tag::Plaintext => State::PlainText,
            Tag::Template => {
                self.templates = self.templates.saturating_add(1);
                return None;
            }
            _ => return None,
        };
        self.raw = Some(tag);
        let is_title = tag == Tag::Title && self.templates == 0;
        self.found.begin_raw(is_title);
        Some(state)
    }

    fn end_tag(&mut self) {
        let tag = Tag::of(self.tag.name.get());
        let was_foreign = self.foreign.is_within();
        self.foreign.end(self.tag.name.get());
        if self.raw.take().is_some() {
            self.found.end_raw();
        }
        match tag {
            Tag::A => self.found.end_link(),
            Tag::Style => self.end_style(self.markup),
            Tag::Template if !was_foreign => self.templates = self.templates.saturating_sub(1),
            Tag::Form => self.found.form_is_get = true,
            _ => {}
        }
    }

    fn end_style(&mut self, end: usize) {
        if let Some(start) = self.style.take() {
            self.found
                .style_sheet(start, self.source.get(start..end).unwrap_or(""));
        }
    }
}

impl Emitter for Finder<'_, '_> {
    type Token = Infallible;

    #[inline]
    fn move_position(&mut self, offset: isize) {
        self.position = self.position.wrapping_add_signed(offset);
    }

    #[inline]
    fn start_open_tag(&mut self) {
        self.markup = self.position.wrapping_sub(1);
    }

    #[inline]
    fn emit_string(&mut self, text: &[u8]) {
        if self.templates == 0 {
            self.found.push_text(text);
        }
    }

    #[inline]
    fn init_start_tag(&mut self) {
        self.tag.begin(false);
    }

    #[inline]
    fn init_end_tag(&mut self) {
        self.tag.begin(true);
    }

    #[inline]
    fn push_tag_name(&mut self, piece: &[u8]) {
        self.tag.name.push(piece);
    }

    #[inline]
    fn set_self_closing(&mut self) {
        self.tag.is_self_closing = true;
    }

    #[inline]
    fn init_attribute(&mut self) {
        self.tag.begin_attribute();
    }

    #[inline]
    fn push_attribute_name(&mut self, piece: &[u8]) {
        self.tag.push_attribute_name(piece);
    }

    #[inline]
    fn init_attribute_value(&mut self) {
        self.tag.begin_value(self.position);
    }

    #[inline]
    fn push_attribute_value(&mut self, piece: &[u8]) {
        self.tag.push_value(piece, self.position);
    }

    #[inline]
    fn emit_current_tag(&mut self) -> Option<State> {
        self.tag.end_attribute();
        if self.tag.is_end {
            self.end_tag();
            return None;
        }
        self.start_tag()
    }

    #[inline]
    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.tag.is_end && self.tag.name.get() == self.last_start.get()
    }

    #[inline]
    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.foreign.is_within()
    }

    fn emit_eof(&mut self) {
        self.found.end_raw();
        self.found.end_link();
        self.end_style(self.source.len());
    }

    fn set_last_start_tag(&mut self, _name: Option<&[u8]>) {}

    #[inline]
    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn emit_error(&mut self, _error: Error) {}

    #[inline]
    fn pop_token(&mut self) -> Option<Infallible> {
        None
    }

    #[inline]
    fn init_comment(&mut self) {}

    #[inline]
    fn push_comment(&mut self, _piece: &[u8]) {}

    #[inline]
    fn emit_current_comment(&mut self) {}

    fn init_doctype(&mut self) {}

    fn push_doctype_name(&mut self, _piece: &[u8]) {}

    fn set_doctype_public_identifier(&mut self, _value: &[u8]) {}

    fn set_doctype_system_identifier(&mut self, _value: &[u8]) {}

    fn push_doctype_public_identifier(&mut self, _piece: &[u8]) {}

    fn push_doctype_system_identifier(&mut self, _piece: &[u8]) {}

    fn set_force_quirks(&mut self) {}

    fn emit_current_doctype(&mut self) {}
}

#[cfg(test)]
mod tests;
