//! What each element's attributes lead to.

use super::found::Found;
use super::names::{Attr, Tag};
use super::tag::{CurrentTag, Text};
use crate::links::collapse::Collapsed;
use crate::links::{Directives, LinkKind, MAX_TEXT, css, refresh, srcset};

impl Found<'_, '_> {
    /// Looks at a start tag.
    pub(super) fn look(&mut self, current: &CurrentTag<'_>, tag: Tag, is_foreign: bool) {
        match tag {
            Tag::A => self.end_link(),
            Tag::Form => self.form_is_get = is_get(current.text(Attr::Method)),
            Tag::Base => {
                if let Some(href) = current.value(Attr::Href) {
                    self.document
                        .base
                        .get_or_insert_with(|| href.text.to_owned());
                }
            }
            _ => {}
        }
        for &attribute in current.attributes() {
            let Some(value) = current.value(attribute) else {
                continue;
            };
            if self.wanted.anchors
                && (attribute == Attr::Id || attribute == Attr::Name && tag == Tag::A)
            {
                self.anchor(value.text);
                continue;
            }
            if tag == Tag::Meta && attribute == Attr::Content {
                self.meta(current, value);
                continue;
            }
            match kind(tag, attribute, current, self.form_is_get, is_foreign) {
                Some(kind) if self.wanted.resources || kind.is_page() => {
                    self.link(current, tag, value, kind)
                }
                _ => {}
            }
        }
    }

    fn anchor(&mut self, name: &str) {
        if !name.is_empty() {
            self.document.anchors.push(name.to_owned());
        }
    }

    fn link(&mut self, current: &CurrentTag<'_>, tag: Tag, value: Text<'_>, kind: LinkKind) {
        match kind {
            LinkKind::Srcset => srcset::candidates(value.text, |at, target| {
                self.push(value.offset(at), target, kind, false);
            }),
            LinkKind::Css => css::scan(value.text, |at, target, kind| {
                self.push(value.offset(at), &target, kind, false);
            }),
            LinkKind::Canonical => {
                self.document
                    .canonical
                    .get_or_insert_with(|| value.text.to_owned());
                self.push(value.offset(0), value.text, kind, false);
            }
            LinkKind::Image
                if matches!(tag, Tag::Image | Tag::Use) && value.text.starts_with('#') => {}
            _ => {
                let may_be_unfollowed = matches!(tag, Tag::A | Tag::Area | Tag::Form);
                let nofollow = may_be_unfollowed && is_unfollowed(current.text(Attr::Rel));
                if self.push(value.offset(0), value.text, kind, nofollow) && self.wanted.texts {
                    self.link_text_of(current, tag);
                }
            }
        }
    }

    /// Gives the link that was added last its text, or has it read.
    fn link_text_of(&mut self, current: &CurrentTag<'_>, tag: Tag) {
        match tag {
            Tag::A => self.begin_link_text(),
            Tag::Img | Tag::Area | Tag::Input => {
                let alt = current.text(Attr::Alt);
                let mut text = Collapsed::new(MAX_TEXT);
                text.push(alt.as_bytes());
                if let Some(link) = self.document.links.last_mut() {
                    link.text = text.take();
                }
                self.push_alt(alt);
            }
            _ => {}
        }
    }

    fn meta(&mut self, current: &CurrentTag<'_>, content: Text<'_>) {
        if current.text(Attr::Name).eq_ignore_ascii_case("robots") {
            let directives = Directives::of(content.text);
            self.document.no_index |= directives.no_index;
            self.document.no_follow |= directives.no_follow;
        }
        if current
            .text(Attr::HttpEquiv)
            .eq_ignore_ascii_case("refresh")
            && let Some((at, target)) = refresh::target(content.text)
        {
            self.push(content.offset(at), target, LinkKind::Refresh, false);
        }
    }
}

/// What the value of an attribute leads to.
fn kind(
    tag: Tag,
    attribute: Attr,
    current: &CurrentTag<'_>,
    form_is_get: bool,
    is_foreign: bool,
) -> Option<LinkKind> {
    Some(match (tag, attribute) {
        (_, Attr::Style) => LinkKind::Css,
        (Tag::A, Attr::Href) => LinkKind::Anchor,
        (Tag::A, Attr::XlinkHref) if is_foreign && current.value(Attr::Href).is_none() => {
            LinkKind::Anchor
        }
        (Tag::Area, Attr::Href) => LinkKind::Area,
        (Tag::Link, Attr::Href) => relation(current.text(Attr::Rel), current.text(Attr::Type)),
        (Tag::Img | Tag::Source, Attr::Srcset) | (Tag::Link, Attr::Imagesrcset) => LinkKind::Srcset,
        (Tag::Img, Attr::Src) | (Tag::Body, Attr::Background) | (Tag::Video, Attr::Poster) => {
            LinkKind::Image
        }
        (Tag::Input, Attr::Src) if current.text(Attr::Type).eq_ignore_ascii_case("image") => {
            LinkKind::Image
        }
        (Tag::Image | Tag::Use, Attr::Href | Attr::XlinkHref) => LinkKind::Image,
        (Tag::Script, Attr::Src) => LinkKind::Script,
        (Tag::Script, Attr::Href | Attr::XlinkHref) if is_foreign => LinkKind::Script,
        (Tag::Iframe, Attr::Src) => LinkKind::Iframe,
        (Tag::Frame, Attr::Src) => LinkKind::Frame,
        (Tag::Form, Attr::Action) if form_is_get => LinkKind::Form,
        (Tag::Button | Tag::Input, Attr::Formaction) if sends_get(current, form_is_get) => {
            LinkKind::Form
        }
        (Tag::Media | Tag::Source | Tag::Track | Tag::Video, Attr::Src) => LinkKind::Media,
        (Tag::Embed, Attr::Src) | (Tag::Object, Attr::Data) => LinkKind::Object,
        (Tag::Quote, Attr::Cite) | (Tag::Img | Tag::Iframe | Tag::Frame, Attr::Longdesc) => {
            LinkKind::Cite
        }
        _ => return None,
    })
}

/// What a `<link>` is there for.
fn relation(rel: &str, media_type: &str) -> LinkKind {
    let is_feed = ["application/rss+xml", "application/atom+xml"]
        .iter()
        .any(|feed| media_type.eq_ignore_ascii_case(feed));
    for word in rel.split_ascii_whitespace() {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        let is_one_of = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is("canonical") {
            return LinkKind::Canonical;
        } else if is("stylesheet") {
            return LinkKind::Style;
        } else if is_one_of(&[
            "icon",
            "apple-touch-icon",
            "apple-touch-icon-precomposed",
            "mask-icon",
        ]) {
            return LinkKind::Icon;
        } else if is("manifest") {
            return LinkKind::Manifest;
        } else if is_one_of(&["preload", "modulepreload", "prefetch"]) {
            return LinkKind::Preload;
        } else if is_one_of(&["preconnect", "dns-prefetch"]) {
            return LinkKind::Host;
        } else if is("alternate") && is_feed {
            return LinkKind::Feed;
        }
    }
    LinkKind::Relation
}

/// Whether a form with this `method` is sent by GET.
fn is_get(method: &str) -> bool {
    !["post", "dialog"]
        .iter()
        .any(|other| method.eq_ignore_ascii_case(other))
}

/// Whether a button that has its form sent elsewhere has it sent by GET.
fn sends_get(button: &CurrentTag<'_>, form_is_get: bool) -> bool {
    match button.value(Attr::Formmethod) {
        Some(method) => is_get(method.text),
        None => form_is_get,
    }
}

/// Whether a page asks that nobody follows a link with these relations.
fn is_unfollowed(rel: &str) -> bool {
    let names = ["nofollow", "ugc", "sponsored"];
    rel.split_ascii_whitespace()
        .any(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
}
