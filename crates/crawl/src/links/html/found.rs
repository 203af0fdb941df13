//! What was found in a page, and the texts that are being read.

use super::Wanted;
use crate::links::collapse::Collapsed;
use crate::links::places::Places;
use crate::links::{Document, Link, LinkKind, MAX_TEXT, MAX_TITLE, css, is_data};

/// Where the text of a page goes.
#[derive(Clone, Copy, PartialEq)]
enum Into {
    Nothing,
    Link,
    Title,
}

pub(super) struct Found<'a, 'd> {
    pub(super) document: &'d mut Document,
    pub(super) wanted: Wanted,
    /// Whether the form that is open is sent by GET; so is one that is none.
    pub(super) form_is_get: bool,
    places: Places<'a>,
    into: Into,
    /// The link whose text is being read.
    open: Option<usize>,
    link_text: Collapsed,
    title: Collapsed,
    has_title: bool,
}

impl<'a, 'd> Found<'a, 'd> {
    pub(super) fn new(source: &'a str, wanted: Wanted, document: &'d mut Document) -> Self {
        Self {
            document,
            wanted,
            form_is_get: true,
            places: Places::new(source),
            into: Into::Nothing,
            open: None,
            link_text: Collapsed::new(MAX_TEXT),
            title: Collapsed::new(MAX_TITLE),
            has_title: false,
        }
    }

    #[inline]
    pub(super) fn push_text(&mut self, text: &[u8]) {
        match self.into {
            Into::Nothing => {}
            Into::Link => self.link_text.push(text),
            Into::Title => self.title.push(text),
        }
    }

    /// An element begins whose content is text and no part of a link's text.
    pub(super) fn begin_raw(&mut self, is_title: bool) {
        self.into = if is_title && !self.has_title {
            Into::Title
        } else {
            Into::Nothing
        };
    }

    pub(super) fn end_raw(&mut self) {
        if self.into == Into::Title {
            self.has_title = true;
            self.document.title = self.title.take();
        }
        self.into = if self.open.is_some() {
            Into::Link
        } else {
            Into::Nothing
        };
    }

    /// The text from here on is that of the link which was added last.
    pub(super) fn begin_link_text(&mut self) {
        self.open = Some(self.document.links.len() - 1);
        self.into = Into::Link;
    }

    pub(super) fn end_link(&mut self) {
        if let Some(link) = self.open.take() {
            self.document.links[link].text = self.link_text.take();
            self.into = Into::Nothing;
        }
    }

    /// The text of an image stands in the text of the link around it.
    pub(super) fn push_alt(&mut self, alt: &str) {
        if self.into == Into::Link {
            [" ", alt, " "]
                .iter()
                .for_each(|piece| self.link_text.push(piece.as_bytes()));
        }
    }

    /// Adds a link, unless it is not wanted or leads nowhere; returns whether it did.
    pub(super) fn push(
        &mut self,
        offset: usize,
        target: &str,
        kind: LinkKind,
        nofollow: bool,
    ) -> bool {
        let is_wanted = (self.wanted.resources || kind.is_page())
            && (self.wanted.local || !target.starts_with('#') || self.document.base.is_some())
            && (!target.is_empty() || matches!(kind, LinkKind::Anchor | LinkKind::Area));
        if !is_wanted || is_data(target) {
            return false;
        }
        let (line, column) = self.places.at(offset);
        let (target, text) = (target.to_owned(), String::new());
        self.document.links.push(Link {
            target,
            line,
            column,
            kind,
            nofollow,
            text,
        });
        true
    }

    /// Adds the links of a style sheet that begins at an offset.
    pub(super) fn style_sheet(&mut self, start: usize, text: &str) {
        if self.wanted.resources {
            css::scan(text, |offset, target, kind| {
                self.push(start + offset, &target, kind, false);
            });
        }
    }
}
