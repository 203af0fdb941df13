//! The tag that the tokenizer is in, with the values of the attributes that matter.

use super::names::{Attr, Name};
use crate::links::is_blank;

/// A tag. Values stay in the source of the page; only those with character references have a copy, in one buffer
/// that all tags share.
pub(super) struct CurrentTag<'a> {
    source: &'a str,
    pub(super) is_end: bool,
    pub(super) is_self_closing: bool,
    pub(super) name: Name,
    attribute: Name,
    /// The attribute whose value is being read.
    reading: Option<(Attr, Value)>,
    values: [Value; Attr::COUNT],
    /// The attributes that the tag has, in its order.
    order: [Attr; Attr::COUNT],
    length: usize,
    decoded: Vec<u8>,
    /// What is where in `decoded`: its offset there, and in the source.
    pieces: Vec<(usize, usize)>,
}

/// Where a value is.
#[derive(Clone, Copy, Default)]
struct Value {
    /// In the source.
    start: usize,
    end: usize,
    /// In the buffer of decoded values, if it has a copy there.
    copy: Option<(usize, usize)>,
}

/// The value of an attribute, decoded, without the blanks around it.
#[derive(Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    place: Place<'t>,
}

#[derive(Clone, Copy)]
enum Place<'t> {
    /// As it is in the source from here on.
    Source(usize),
    /// From here on in the decoded bytes, whose pieces are these.
    Copy(usize, &'t [(usize, usize)]),
}

impl Text<'_> {
    /// Where in the source a byte of the text is.
    pub(super) fn offset(&self, at: usize) -> usize {
        match self.place {
            Place::Source(start) => start + at,
            Place::Copy(start, pieces) => {
                let at = start + at;
                let piece = pieces.partition_point(|(decoded, _)| *decoded <= at);
                pieces
                    .get(piece.wrapping_sub(1))
                    .map_or(0, |(decoded, source)| source + at - decoded)
            }
        }
    }
}

impl<'a> CurrentTag<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            is_end: false,
            is_self_closing: false,
            name: Name::default(),
            attribute: Name::default(),
            reading: None,
            values: [Value::default(); Attr::COUNT],
            order: [Attr::Action; Attr::COUNT],
            length: 0,
            decoded: Vec::new(),
            pieces: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn begin(&mut self, is_end: bool) {
        self.is_end = is_end;
        self.is_self_closing = false;
        self.name.clear();
        self.reading = None;
        self.length = 0;
        self.decoded.clear();
        self.pieces.clear();
    }

    #[inline]
    pub(super) fn begin_attribute(&mut self) {
        self.end_attribute();
        self.attribute.clear();
    }

    #[inline]
    pub(super) fn push_attribute_name(&mut self, piece: &[u8]) {
        self.attribute.push(piece);
    }

    /// The value begins at an offset.
    #[inline]
    pub(super) fn begin_value(&mut self, at: usize) {
        if self.is_end {
            return;
        }
        let Some(attribute) = Attr::of(self.attribute.get()) else {
            return;
        };
        // The first one counts if there are several.
        if !self.order[..self.length].contains(&attribute) {
            self.reading = Some((
                attribute,
                Value {
                    start: at,
                    end: at,
                    copy: None,
                },
            ));
        }
    }

    /// Adds to the value what the source has up to `end`.
    #[inline]
    pub(super) fn push_value(&mut self, piece: &[u8], end: usize) {
        let Some((_, value)) = &mut self.reading else {
            return;
        };
        let source = self.source.as_bytes();
        let is_raw = value.end + piece.len() == end && source.get(value.end..end) == Some(piece);
        if value.copy.is_none() && is_raw {
            value.end = end;
            return;
        }
        let from = match value.copy {
            Some((from, _)) => from,
            None => {
                let from = self.decoded.len();
                self.pieces.push((from, value.start));
                self.decoded
                    .extend_from_slice(&source[value.start..value.end]);
                from
            }
        };
        // Behind a carriage return, the tokenizer passes over a line feed.
        let raw_start = end.wrapping_sub(piece.len());
        let is_behind = raw_start > value.end && source.get(raw_start..end) == Some(piece);
        self.pieces.push((
            self.decoded.len(),
            if is_behind { raw_start } else { value.end },
        ));
        self.decoded.extend_from_slice(piece);
        value.copy = Some((from, self.decoded.len()));
        value.end = end;
    }

    #[inline]
    pub(super) fn end_attribute(&mut self) {
        if let Some((attribute, value)) = self.reading.take() {
            self.values[attribute as usize] = value;
            self.order[self.length] = attribute;
            self.length += 1;
        }
    }

    /// The attributes that matter, in the order of the tag.
    pub(super) fn attributes(&self) -> &[Attr] {
        &self.order[..self.length]
    }

    /// The value of an attribute, without the blanks around it.
    pub(super) fn value(&self, attribute: Attr) -> Option<Text<'_>> {
        if !self.attributes().contains(&attribute) {
            return None;
        }
        let value = self.values[attribute as usize];
        let (whole, start) = match value.copy {
            None => (
                self.source.get(value.start..value.end).unwrap_or(""),
                value.start,
            ),
            Some((from, to)) => (valid(&self.decoded[from..to]), from),
        };
        let text = whole.trim_start_matches(is_blank);
        let start = start + whole.len() - text.len();
        let place = match value.copy {
            None => Place::Source(start),
            Some(_) => Place::Copy(start, &self.pieces),
        };
        Some(Text {
            text: text.trim_end_matches(is_blank),
            place,
        })
    }

    /// The text of an attribute; empty if there is none.
    pub(super) fn text(&self, attribute: Attr) -> &str {
        self.value(attribute).map_or("", |value| value.text)
    }
}

/// The tokenizer passes on parts of valid UTF-8, so all of it is valid.
fn valid(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}
