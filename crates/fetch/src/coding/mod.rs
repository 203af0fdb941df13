//! Content codings: what was done to a body before it was sent, undone.
//!
//! ```text
//!   Content-Encoding: deflate, gzip      (in one field or in several: gzip was applied last)
//!
//!   received ──► gzip ──► deflate ──► sink, which takes as much as the caller allows
//!                └─ 16 KiB at a time ─┘
//! ```
//!
//! No layer keeps what it has decoded, so that a bomb costs time and no memory, and little time: each layer may grow
//! to little more than the sink.

mod brotli;
mod deflate;
mod gzip;
mod zstd;

use std::io;

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::error::{Error, Phase};

/// What clients of this crate accept.
pub(crate) const ACCEPTED: &str = "gzip, deflate, br, zstd";
/// The most codings of one body. No server has a reason for more than two.
const MOST_LAYERS: usize = 5;
/// How much a layer decodes at a time.
const PIECE: usize = 16 * 1024;

/// A body's decoder: pieces in, and the decoded bytes at the end.
pub(crate) struct Decoder {
    layers: Result<Vec<Layer>, String>,
    sink: Sink,
    /// Whether no byte has come. An empty body is valid, although it is not what the codings promise.
    empty: bool,
}

/// The decoded bytes.
struct Sink {
    bytes: Vec<u8>,
    limit: usize,
    /// Whether there were more than `limit`.
    full: bool,
}

/// One coding, and the buffer between it and the next one.
struct Layer {
    name: &'static str,
    coding: Coding,
    buffer: Box<[u8]>,
    /// The bytes that it has decoded, and the most that it may.
    grown: usize,
    limit: usize,
}

enum Coding {
    Gzip(gzip::Gzip),
    Deflate(deflate::Deflate),
    Brotli(brotli::Brotli),
    Zstd(Box<zstd::Zstd>),
}

/// How far one step of a coding went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    /// Bytes taken from the input.
    used: usize,
    /// Bytes written to the output.
    made: usize,
}

impl Decoder {
    /// Returns the decoder of a body of these fields, which keeps `limit` bytes at the most.
    pub(crate) fn new(headers: &HeaderMap, limit: usize) -> Decoder {
        Decoder {
            layers: layers(headers, limit),
            sink: Sink {
                bytes: Vec::new(),
                limit,
                full: false,
            },
            empty: true,
        }
    }

    /// Returns whether a body is as it was received, since it has no coding.
    pub(crate) fn is_plain(&self) -> bool {
        self.layers.as_ref().is_ok_and(Vec::is_empty)
    }

    /// Decodes a piece of the body; returns false once there is more than the limit.
    ///
    /// # Errors
    /// [`Phase::Decode`] for a coding that is not known, and for bytes that are none of it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        if bytes.is_empty() || self.sink.full {
            return Ok(!self.sink.full);
        }
        self.empty = false;
        match &mut self.layers {
            Ok(layers) => push(layers, bytes, &mut self.sink),
            Err(text) => Err(io::Error::new(io::ErrorKind::Unsupported, text.clone())),
        }
        .map_err(|error| Error::new(Phase::Decode, error))?;
        Ok(!self.sink.full)
    }

    /// Returns whether all codings have come to their ends.
    ///
    /// # Errors
    /// [`Phase::Decode`] with the coding that has not.
    pub(crate) fn check_end(&self) -> Result<(), Error> {
        let layers = self.layers.as_ref().map_or(&[][..], Vec::as_slice);
        let cut = layers.iter().find(|layer| !layer.is_complete());
        match cut.filter(|_| !self.empty) {
            None => Ok(()),
            Some(Layer { name, .. }) => {
                let text = format!("the body ends in the middle of its {name} stream");
                let cause = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                Err(Error::new(Phase::Decode, cause))
            }
        }
    }

    /// Returns the bytes decoded so far.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.sink.bytes
    }
}

impl Sink {
    /// Keeps as much of `bytes` as the limit allows; returns whether that is all.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let space = self.limit - self.bytes.len();
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(space)]);
        self.full |= bytes.len() > space;
        !self.full
    }
}

/// Passes `bytes` through the layers to the sink; returns false once the sink is full.
fn push(layers: &mut [Layer], mut bytes: &[u8], sink: &mut Sink) -> io::Result<bool> {
    let Some((layer, rest)) = layers.split_first_mut() else {
        return Ok(sink.take(bytes));
    };
    loop {
        let Step { used, made } = layer.step(bytes)?;
        bytes = &bytes[used..];
        if made > 0 && !push(rest, &layer.buffer[..made], sink)? {
            return Ok(false);
        }
        if used == 0 && made == 0 {
            return Ok(true);
        }
    }
}

impl Layer {
    fn new(name: &'static str, coding: Coding, limit: usize) -> Layer {
        // What a layer in the middle yields is coded itself, so it may be longer than what comes of it.
        let limit = limit.saturating_add(limit / 8).saturating_add(64 * 1024);
        Layer {
            name,
            coding,
            buffer: vec![0; PIECE].into(),
            grown: 0,
            limit,
        }
    }

    fn step(&mut self, bytes: &[u8]) -> io::Result<Step> {
        let buffer = &mut self.buffer;
        let step = match &mut self.coding {
            Coding::Gzip(gzip) => gzip.step(bytes, buffer),
            Coding::Deflate(deflate) => deflate.step(bytes, buffer),
            Coding::Brotli(brotli) => brotli.step(bytes, buffer),
            Coding::Zstd(zstd) => zstd.step(bytes, buffer),
        };
        let step = step.map_err(|error| {
            let text = format!("the {} stream is corrupt: {error}", self.name);
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        self.grown = self.grown.saturating_add(step.made);
        if self.grown > self.limit {
            let text = format!(
                "longer than the {} bytes allowed for {}",
                self.limit, self.name
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(step)
    }

    fn is_complete(&self) -> bool {
        match &self.coding {
            Coding::Gzip(gzip) => gzip.is_complete(),
            Coding::Deflate(deflate) => deflate.is_complete(),
            Coding::Brotli(brotli) => brotli.is_complete(),
            Coding::Zstd(zstd) => zstd.is_complete(),
        }
    }
}

/// Returns a layer for each coding in the fields, the one that was applied last first; or what is wrong.
fn layers(headers: &HeaderMap, limit: usize) -> Result<Vec<Layer>, String> {
    let mut layers = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for token in value.as_bytes().split(|byte| *byte == b',') {
            let token = String::from_utf8_lossy(token);
            let token = token.trim().to_ascii_lowercase();
            let layer = match token.as_str() {
                name if is_no_coding(name) => continue,
                "gzip" | "x-gzip" => ("gzip", Coding::Gzip(Default::default())),
                "deflate" => ("deflate", Coding::Deflate(Default::default())),
                "br" => ("br", Coding::Brotli(Default::default())),
                "zstd" => ("zstd", Coding::Zstd(Default::default())),
                _ => return Err(format!("the content encoding `{token}` is not known")),
            };
            layers.push(layer);
        }
    }
    if layers.len() > MOST_LAYERS {
        let count = layers.len();
        return Err(format!(
            "the body has {count} content encodings, and no more than {MOST_LAYERS} are undone"
        ));
    }
    let layers = layers.into_iter().rev();
    Ok(layers
        .map(|(name, coding)| Layer::new(name, coding, limit))
        .collect())
}

/// Returns whether a server says by this name that it did nothing: besides `identity`, the names of character
/// encodings and of mail's transfer encodings, which some take the field for.
fn is_no_coding(name: &str) -> bool {
    matches!(
        name,
        "" | "identity" | "none" | "binary" | "8bit" | "7bit" | "text" | "plain" | "chunked"
    ) || encoding_rs::Encoding::for_label(name.as_bytes()).is_some()
}

#[cfg(test)]
mod tests;
