//! The bodies of messages, decoded piece by piece.

use http::header::{
    CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING,
};
use httparse::{EMPTY_HEADER, Status};

use super::Refusal;
use super::framing::Framing;

/// The most bytes of the extensions of one chunk, and of all those of a body beyond the bytes of its data.
const EXTENSION: u64 = 256;
const EXTENSIONS: u64 = 4 * 1024;
/// The most bytes of trailers, and the most fields.
const TRAILERS: usize = 8 * 1024;
const TRAILER_FIELDS: usize = 64;

/// A body that is decoded.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunked),
}

/// What was found at the start of some bytes.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// More bytes are needed.
    More,
    /// The body's next bytes: this many, right behind the bytes that were consumed. They are consumed too.
    Data(usize),
    Trailers(HeaderMap),
    End,
}

impl Decoder {
    pub(crate) fn new(framing: Framing) -> Decoder {
        match framing {
            Framing::Length(length) => Decoder::Length(length),
            Framing::Chunked => Decoder::Chunked(Chunked::default()),
        }
    }

    /// Returns the number of bytes that are left, if it is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Decoder::Length(left) => Some(*left),
            Decoder::Chunked(_) => None,
        }
    }

    /// Decodes from the start of `bytes`; returns how many of them are framing and are done with, and what
    /// follows them.
    ///
    /// # Errors
    /// The reason to refuse the message.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<(usize, Decoded), Refusal> {
        match self {
            Decoder::Length(0) => Ok((0, Decoded::End)),
            Decoder::Length(left) => {
                let length = (*left).min(bytes.len() as u64);
                *left -= length;
                match length {
                    0 => Ok((0, Decoded::More)),
                    _ => Ok((0, Decoded::Data(length as usize))),
                }
            }
            Decoder::Chunked(chunked) => chunked.decode(bytes),
        }
    }
}

/// The state of a chunked body.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    place: Place,
    /// Of the current chunk: the size so far, or what is left of it.
    size: u64,
    digits: u8,
    /// The bytes of its extensions, and of those of all chunks together.
    extension: u64,
    extensions: u64,
    /// The bytes of data so far.
    data: u64,
    trailers: Vec<u8>,
}

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    /// White space between the size and an extension.
    Space,
    Extension,
    /// The LF that ends the line of a size.
    SizeEnd,
    Data,
    /// The CR and the LF behind a chunk.
    DataCr,
    DataLf,
    Trailers,
    End,
}

impl Chunked {
    fn decode(&mut self, bytes: &[u8]) -> Result<(usize, Decoded), Refusal> {
        let mut at = 0;
        loop {
            match self.place {
                Place::Data => {
                    let length = self.size.min((bytes.len() - at) as u64);
                    if length == 0 {
                        return Ok((at, Decoded::More));
                    }
                    self.size -= length;
                    self.data += length;
                    if self.size == 0 {
                        self.place = Place::DataCr;
                    }
                    return Ok((at, Decoded::Data(length as usize)));
                }
                Place::Trailers => return self.decode_trailers(bytes, at),
                Place::End => return Ok((at, Decoded::End)),
                _ => {}
            }
            let Some(byte) = bytes.get(at) else {
                return Ok((at, Decoded::More));
            };
            self.place = self.step(*byte)?;
            at += 1;
        }
    }

    /// Takes one byte of framing, and returns where the next one belongs.
    fn step(&mut self, byte: u8) -> Result<Place, Refusal> {
        match (self.place, byte) {
            (Place::Size, byte) if byte.is_ascii_hexdigit() => {
                self.digits += 1;
                if self.digits > 15 {
                    return Err(Refusal::bad("a chunk size of more than 15 digits"));
                }
                let digit = (byte as char).to_digit(16).unwrap_or(0);
                self.size = self.size * 16 + u64::from(digit);
                Ok(Place::Size)
            }
            (Place::Size, _) if self.digits == 0 => Err(Refusal::bad("a chunk without a size")),
            (Place::Size | Place::Extension, b'\r') => Ok(Place::SizeEnd),
            (Place::Size | Place::Space, b' ' | b'\t') => {
                self.count_extension()?;
                Ok(Place::Space)
            }
            (Place::Size | Place::Space, b';') => Ok(Place::Extension),
            (Place::Extension, b'\t' | b' '..=b'~' | 128..) => {
                self.count_extension()?;
                Ok(Place::Extension)
            }
            (Place::SizeEnd, b'\n') => {
                self.digits = 0;
                self.extension = 0;
                Ok(match self.size {
                    0 => Place::Trailers,
                    _ => Place::Data,
                })
            }
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::Size),
            (Place::DataCr | Place::DataLf, _) => Err(Refusal::bad("a chunk longer than its size")),
            _ => Err(Refusal::bad("a malformed chunk size")),
        }
    }

    fn count_extension(&mut self) -> Result<(), Refusal> {
        self.extension += 1;
        self.extensions += 1;
        // Some clients sign each chunk of a long body, and others would send extensions for ever.
        match self.extension > EXTENSION || self.extensions > EXTENSIONS + self.data {
            true => Err(Refusal::bad("chunk extensions over the limit")),
            false => Ok(()),
        }
    }

    /// Collects the trailers up to an empty line.
    fn decode_trailers(&mut self, bytes: &[u8], from: usize) -> Result<(usize, Decoded), Refusal> {
        for (at, byte) in bytes.iter().enumerate().skip(from) {
            self.trailers.push(*byte);
            if self.trailers.len() > TRAILERS {
                return Err(Refusal::bad("trailers over the limit"));
            }
            if *byte == b'\n' && (self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n"))
            {
                self.place = Place::End;
                let trailers = parse_trailers(&std::mem::take(&mut self.trailers))?;
                return Ok(match trailers.is_empty() {
                    true => (at + 1, Decoded::End),
                    false => (at + 1, Decoded::Trailers(trailers)),
                });
            }
            if *byte == b'\n' && !self.trailers.ends_with(b"\r\n") {
                return Err(Refusal::bad("a line that ends in LF alone"));
            }
        }
        Ok((bytes.len(), Decoded::More))
    }
}

/// Returns the trailers, without those that frame or route a message.
fn parse_trailers(bytes: &[u8]) -> Result<HeaderMap, Refusal> {
    let mut fields = [EMPTY_HEADER; TRAILER_FIELDS];
    let malformed = Refusal::bad("malformed trailers");
    let Ok(Status::Complete((_, fields))) = httparse::parse_headers(bytes, &mut fields) else {
        return Err(malformed);
    };
    let mut trailers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| malformed)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| malformed)?;
        if ![CONTENT_LENGTH, TRANSFER_ENCODING, HOST, TRAILER].contains(&name) {
            trailers.append(name, value);
        }
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `bytes` in pieces of `step`; returns the data, the number of trailers, and what is left.
    fn decode(bytes: &[u8], step: usize) -> Result<(Vec<u8>, usize, usize), Refusal> {
        let mut decoder = Decoder::new(Framing::Chunked);
        let (mut data, mut trailers, mut at, mut end) = (Vec::new(), 0, 0, 0);
        loop {
            let (used, found) = decoder.decode(&bytes[at..end])?;
            at += used;
            match found {
                Decoded::More if end == bytes.len() => return Ok((data, trailers, usize::MAX)),
                Decoded::More => end = (end + step).min(bytes.len()),
                Decoded::Data(length) => {
                    data.extend_from_slice(&bytes[at..at + length]);
                    at += length;
                }
                Decoded::Trailers(fields) => trailers = fields.len(),
                Decoded::End => return Ok((data, trailers, bytes.len() - at)),
            }
        }
    }

    #[test]
    fn chunks_are_decoded_however_they_are_split() {
        let bytes =
            b"5\r\nhello\r\n00A ;x=\"y z\"\r\n, 89012345\r\n0\r\nA: b\r\nHost: c\r\n\r\nGET";
        for step in 1..bytes.len() {
            let decoded = decode(bytes, step).unwrap();
            assert_eq!(decoded.0, b"hello, 89012345");
            assert_eq!(decoded.1, 1);
        }
        assert_eq!(decode(bytes, bytes.len()).unwrap().2, 3);
    }

    #[test]
    fn a_long_body_may_have_an_extension_in_each_chunk() {
        let extension = "x".repeat(EXTENSION as usize);
        let chunk = format!("190;{extension}\r\n{}\r\n", "a".repeat(400));
        let bytes = chunk.repeat(100) + "0\r\n\r\n";
        let (data, _, rest) = decode(bytes.as_bytes(), 1_000).unwrap();
        assert_eq!((data.len(), rest), (40_000, 0));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let long = format!("0;{}\r\n\r\n", "x".repeat(EXTENSION as usize + 1));
        let many = format!("1;{}\r\na\r\n", "x".repeat(100)).repeat(50) + "0\r\n\r\n";
        let trailers = format!("0\r\na: {}\r\n\r\n", "x".repeat(TRAILERS));
        for bytes in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "0x5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhellohello\r\n",
            "5 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5;a\nb\r\nhello\r\n",
            "5;\0\r\nhello\r\n",
            "1000000000000000\r\n",
            "0\r\na b: c\r\n\r\n",
            "0\r\na: b\n\r\n",
            &long,
            &many,
            &trailers,
        ] {
            for step in [1, 2, bytes.len()] {
                assert!(decode(bytes.as_bytes(), step).is_err(), "{bytes:?}");
            }
        }
    }
}
