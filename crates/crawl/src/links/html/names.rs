//! The elements and attributes that matter.

/// A name in lower case as the tokenizer gives it, piece by piece. Longer names than the longest that matters are
/// not kept.
#[derive(Clone, Copy)]
pub(super) struct Name {
    bytes: [u8; Name::CAPACITY],
    length: u8,
}

impl Name {
    const CAPACITY: usize = 14;
    const EMPTY: Self = Self {
        bytes: [0; Self::CAPACITY],
        length: 0,
    };
    const TOO_LONG: u8 = Self::CAPACITY as u8 + 1;

    #[inline]
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    #[inline]
    pub(super) fn push(&mut self, piece: &[u8]) {
        let from = usize::from(self.length);
        match self.bytes.get_mut(from..from + piece.len()) {
            Some(space) => {
                space.copy_from_slice(piece);
                self.length += piece.len() as u8;
            }
            None => self.length = Self::TOO_LONG,
        }
    }

    /// The name; empty if it was too long.
    #[inline]
    pub(super) fn get(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// An element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    A,
    Area,
    Base,
    Body,
    Button,
    Embed,
    Form,
    Frame,
    Iframe,
    Image,
    Img,
    Input,
    Link,
    Media,
    Meta,
    Object,
    Plaintext,
    /// `blockquote`, `q`, `ins` and `del`, which may cite.
    Quote,
    /// `noembed`, `noframes` and `xmp`, whose content is text.
    Raw,
    Script,
    Source,
    Style,
    Template,
    Textarea,
    Title,
    Track,
    Use,
    Video,
    Other,
}

impl Tag {
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"a" => Tag::A,
            b"area" => Tag::Area,
            b"audio" => Tag::Media,
            b"base" => Tag::Base,
            b"blockquote" | b"q" | b"ins" | b"del" => Tag::Quote,
            b"body" => Tag::Body,
            b"button" => Tag::Button,
            b"embed" => Tag::Embed,
            b"form" => Tag::Form,
            b"frame" => Tag::Frame,
            b"iframe" => Tag::Iframe,
            b"image" => Tag::Image,
            b"img" => Tag::Img,
            b"input" => Tag::Input,
            b"link" => Tag::Link,
            b"meta" => Tag::Meta,
            b"noembed" | b"noframes" | b"xmp" => Tag::Raw,
            b"object" => Tag::Object,
            b"plaintext" => Tag::Plaintext,
            b"script" => Tag::Script,
            b"source" => Tag::Source,
            b"style" => Tag::Style,
            b"template" => Tag::Template,
            b"textarea" => Tag::Textarea,
            b"title" => Tag::Title,
            b"track" => Tag::Track,
            b"use" => Tag::Use,
            b"video" => Tag::Video,
            _ => Tag::Other,
        }
    }
}

/// An attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attr {
    Action,
    Alt,
    Background,
    Cite,
    Content,
    Data,
    Formaction,
    Formmethod,
    Href,
    HttpEquiv,
    Id,
    Imagesrcset,
    Longdesc,
    Method,
    Name,
    Poster,
    Rel,
    Src,
    Srcset,
    Style,
    Type,
    XlinkHref,
}

impl Attr {
    pub(super) const COUNT: usize = Attr::XlinkHref as usize + 1;

    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"action" => Attr::Action,
            b"alt" => Attr::Alt,
            b"background" => Attr::Background,
            b"cite" => Attr::Cite,
            b"content" => Attr::Content,
            b"data" => Attr::Data,
            b"formaction" => Attr::Formaction,
            b"formmethod" => Attr::Formmethod,
            b"href" => Attr::Href,
            b"http-equiv" => Attr::HttpEquiv,
            b"id" => Attr::Id,
            b"imagesrcset" => Attr::Imagesrcset,
            b"longdesc" => Attr::Longdesc,
            b"method" => Attr::Method,
            b"name" => Attr::Name,
            b"poster" => Attr::Poster,
            b"rel" => Attr::Rel,
            b"src" => Attr::Src,
            b"srcset" => Attr::Srcset,
            b"style" => Attr::Style,
            b"type" => Attr::Type,
            b"xlink:href" => Attr::XlinkHref,
            _ => return None,
        })
    }
}
