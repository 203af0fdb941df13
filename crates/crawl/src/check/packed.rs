//! The links and the places of a page, as the store keeps them: numbers of one to five bytes, and texts with their length.

use crate::links::{Link, LinkKind};

/// What a check keeps of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The links, packed; empty if the page is asked for and not followed.
    pub(crate) links: Vec<u8>,
    /// The places, packed; `None` if they are not known. Of a redirect: the fragment that it leads to.
    pub(crate) anchors: Option<Vec<u8>>,
}

/// The links of a page, and the base to which they are relative if the page names one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) base: Option<String>,
    pub(super) links: Vec<Link>,
}

/// Packs links.
pub(crate) fn pack<'l>(base: Option<&str>, links: impl IntoIterator<Item = &'l Link>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_text(&mut bytes, base.unwrap_or_default());
    for link in links {
        put_number(&mut bytes, link.line);
        put_number(&mut bytes, link.column);
        bytes.push(link.kind as u8);
        put_text(&mut bytes, &link.target);
        put_text(&mut bytes, &link.text);
    }
    bytes
}

/// Packs the places of a page.
pub(crate) fn pack_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    names
        .into_iter()
        .for_each(|name| put_text(&mut bytes, name));
    bytes
}

/// Reads what [`pack`] wrote; `None` if it is something else.
pub(super) fn unpack(mut bytes: &[u8]) -> Option<Links> {
    let base = Some(text(&mut bytes)?).filter(|base| !base.is_empty());
    let mut links = Vec::new();
    while !bytes.is_empty() {
        let (line, column) = (number(&mut bytes)?, number(&mut bytes)?);
        let (kind, rest) = bytes.split_first()?;
        bytes = rest;
        links.push(Link {
            line,
            column,
            kind: *KINDS.get(usize::from(*kind))?,
            target: text(&mut bytes)?,
            text: text(&mut bytes)?,
            nofollow: false,
        });
    }
    Some(Links { base, links })
}

/// Reads what [`pack_names`] wrote.
pub(super) fn unpack_names(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        names.push(text(&mut bytes)?);
    }
    Some(names)
}

fn put_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    // A text is a part of a page, which has less than 4 GB.
    put_number(bytes, text.len() as u32);
    bytes.extend_from_slice(text.as_bytes());
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let length = number(bytes)? as usize;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// All kinds, by their numbers.
const KINDS: [LinkKind; 24] = [
    LinkKind::Anchor,
    LinkKind::Area,
    LinkKind::Iframe,
    LinkKind::Frame,
    LinkKind::Form,
    LinkKind::Refresh,
    LinkKind::Relation,
    LinkKind::Canonical,
    LinkKind::Feed,
    LinkKind::Cite,
    LinkKind::Page,
    LinkKind::Sitemap,
    LinkKind::Style,
    LinkKind::Import,
    LinkKind::Css,
    LinkKind::Script,
    LinkKind::Image,
    LinkKind::Srcset,
    LinkKind::Icon,
    LinkKind::Media,
    LinkKind::Object,
    LinkKind::Manifest,
    LinkKind::Preload,
    LinkKind::Host,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_back_as_they_were() {
        let links: Vec<Link> = KINDS
            .iter()
            .zip([0, 1, 127, 128, 16_383, 16_384, u32::MAX].iter().cycle())
            .map(|(kind, number)| Link {
                target: format!("ä/{kind}#{number}"),
                line: *number,
                column: number / 2,
                kind: *kind,
                nofollow: false,
                text: "x".repeat(*number as usize % 300),
            })
            .collect();
        let packed = pack(Some("/b/"), &links);
        let base = Some("/b/".to_owned());
        assert_eq!(unpack(&packed), Some(Links { base, links }));
        assert!(
            KINDS
                .iter()
                .enumerate()
                .all(|(at, kind)| *kind as usize == at)
        );
        let names = pack_names(["", "a", "ü"]);
        assert_eq!(unpack_names(&names).unwrap(), ["", "a", "ü"]);
    }

    #[test]
    fn what_is_cut_is_no_link() {
        let packed = pack(None, &crate::links::html("<a href=abc>text</a>").links);
        for end in 2..packed.len() {
            assert_eq!(unpack(&packed[..end]), None, "{end}");
        }
        assert_eq!(unpack(&[0x80; 9]), None);
    }
}
