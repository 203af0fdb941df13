//! Frames: length-prefixed messages between processes.
//!
//! ```text
//!   length u32 │ kind u32 │ body, `length` bytes
//! ```
//!
//! Numbers are in native byte order, because both ends run on the same machine.

use std::io::{self, Read};

use serde::Serialize;

const HEADER: usize = 8;

/// One message: a kind, whose meaning both ends agree on, and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kind, below [`FrameFormat::kinds`]; it says what the body is.
    pub kind: u32,
    /// The bytes, at most [`FrameFormat::limit`].
    pub body: Vec<u8>,
}

/// The frames that one direction of a conversation may carry. Frames are encoded and read by it, so
/// that both ends apply the same limits.
///
/// ```
/// use switchboard_process::frame::{Frame, FrameFormat};
///
/// const FORMAT: FrameFormat = FrameFormat { kinds: 2, limit: 1024 };
///
/// let bytes = FORMAT.encode_json(1, &[1, 2])?;
/// let frame = FORMAT.read(&bytes[..])?;
/// assert_eq!(frame, Frame { kind: 1, body: b"[1,2]".to_vec() });
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FrameFormat {
    /// The number of kinds, which are 0 to `kinds - 1`.
    pub kinds: u32,
    /// The longest body, in bytes.
    pub limit: u32,
}

impl FrameFormat {
    /// Returns the bytes of a frame whose body is `value` as JSON.
    ///
    /// # Errors
    /// `InvalidInput` if the value cannot be written as JSON, or is longer than the limit.
    pub fn encode_json(self, kind: u32, value: &(impl Serialize + ?Sized)) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; HEADER];
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        serde_json::to_writer(&mut bytes, value).map_err(|error| invalid(error.to_string()))?;
        let length = bytes.len() - HEADER;
        if length > self.limit as usize {
            return Err(invalid(format!(
                "{length} bytes of JSON exceed the limit of {}",
                self.limit
            )));
        }
        Ok(seal(bytes, kind))
    }

    /// Returns the bytes of a frame whose body is `text`, cut at the limit.
    pub fn encode_text(self, kind: u32, text: &str) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(&text.as_bytes()[..text.len().min(self.limit as usize)]);
        seal(bytes, kind)
    }

    /// Returns a reader for frames of this format.
    pub fn reader(self) -> FrameReader {
        FrameReader {
            format: self,
            header: [0; HEADER],
            frame: None,
            filled: 0,
        }
    }

    /// Blocks until a frame has been read from `source`, and reads nothing beyond it.
    ///
    /// # Errors
    /// Those of [`FrameReader::received`] and of `source`.
    pub fn read(self, mut source: impl Read) -> io::Result<Frame> {
        let mut reader = self.reader();
        loop {
            match reader.read_from(&mut source) {
                Ok(None) => {}
                Ok(Some(frame)) => return Ok(frame),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Writes the header into the first bytes of a frame, whose body is within a limit of 32 bits.
fn seal(mut bytes: Vec<u8>, kind: u32) -> Vec<u8> {
    let length = (bytes.len() - HEADER) as u32;
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..HEADER].copy_from_slice(&kind.to_ne_bytes());
    bytes
}

/// Assembles frames from the parts in which their bytes arrive. Parts that were received stay in
/// the reader, so a wait for the next part may be abandoned and begun again.
///
/// ```
/// use switchboard_process::frame::FrameFormat;
///
/// let format = FrameFormat { kinds: 1, limit: 64 };
/// let bytes = format.encode_text(0, "hello");
/// let mut reader = format.reader();
/// let (first, mut rest) = bytes.split_at(3);
/// assert_eq!(reader.read_from(first)?, None);
/// assert_eq!(reader.read_from(&mut rest)?, None); // the end of the header
/// let frame = reader.read_from(&mut rest)?;
/// assert_eq!(frame.map(|frame| frame.body), Some(b"hello".to_vec()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct FrameReader {
    format: FrameFormat,
    header: [u8; HEADER],
    /// The frame whose header is complete.
    frame: Option<Frame>,
    /// The number of bytes of the header or, after it, of the body that have been received.
    filled: usize,
}

impl FrameReader {
    /// Returns the buffer for the bytes that are missing in the header or, after it, in the body.
    /// Never empty.
    pub fn missing(&mut self) -> &mut [u8] {
        let part = match &mut self.frame {
            None => &mut self.header[..],
            Some(frame) => &mut frame.body[..],
        };
        &mut part[self.filled..]
    }

    /// Records that `length` bytes were written to the start of [`missing`](FrameReader::missing),
    /// and returns the frame if it is complete. A length of zero means the end of input.
    ///
    /// # Errors
    /// `UnexpectedEof` at the end of input; `InvalidData` for a header of an unknown kind or a
    /// length above the limit. No frame can be read after an error.
    pub fn received(&mut self, length: usize) -> io::Result<Option<Frame>> {
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.filled += length;
        if self.frame.is_none() {
            if self.filled < HEADER {
                return Ok(None);
            }
            self.frame = Some(self.open()?);
            self.filled = 0;
        }
        let filled = self.filled;
        let complete = self.frame.take_if(|frame| frame.body.len() == filled);
        if complete.is_some() {
            self.filled = 0;
        }
        Ok(complete)
    }

    /// Calls `read` of `source` once, and returns the frame if it is complete.
    ///
    /// # Errors
    /// Those of [`received`](FrameReader::received) and of `source`; after `WouldBlock` and
    /// `Interrupted` of `source` the call can be repeated.
    pub fn read_from(&mut self, mut source: impl Read) -> io::Result<Option<Frame>> {
        let length = source.read(self.missing())?;
        self.received(length)
    }

    /// Checks the header and returns its frame, with a body of zeros.
    fn open(&self) -> io::Result<Frame> {
        let [a, b, c, d, kind @ ..] = self.header;
        let (length, kind) = (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes(kind));
        let FrameFormat { kinds, limit } = self.format;
        let problem = if length > limit {
            format!("of {length} bytes, more than {limit}")
        } else if kind >= kinds {
            format!("of unknown kind {kind}")
        } else {
            let body = vec![0; length as usize];
            return Ok(Frame { kind, body });
        };
        let text = format!("received a frame {problem}: does other code write to the descriptor?");
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: FrameFormat = FrameFormat {
        kinds: 5,
        limit: 1 << 20,
    };

    /// A source that returns one byte for each read.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn a_frame_is_received_as_it_was_sent() {
        let bytes = FORMAT.encode_json(3, &(1, "two")).unwrap();
        let frame = FORMAT.read(&bytes[..]).unwrap();
        assert_eq!((frame.kind, &frame.body[..]), (3, &b"[1,\"two\"]"[..]));
        let frame = FORMAT.read(Slow(&FORMAT.encode_text(4, "no"))).unwrap();
        assert_eq!((frame.kind, &frame.body[..]), (4, &b"no"[..]));
    }

    #[test]
    fn frames_that_follow_each_other_are_told_apart() {
        let bytes = ["one", "", "three"].map(|text| FORMAT.encode_text(0, text));
        let bytes = bytes.concat();
        let (mut source, mut reader) = (Slow(&bytes), FORMAT.reader());
        let mut bodies = Vec::new();
        while bodies.len() < 3 {
            bodies.extend(reader.read_from(&mut source).unwrap().map(|one| one.body));
        }
        assert_eq!(bodies, [&b"one"[..], b"", b"three"]);
        let end = reader.read_from(&mut source).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn garbage_is_an_error() {
        let error = FORMAT.read(&[0xff; 8][..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");
        let error = FORMAT.read(&FORMAT.encode_text(5, "")[..]).unwrap_err();
        assert!(error.to_string().contains("unknown kind 5"), "{error}");
        let cut = &FORMAT.encode_text(0, "123")[..10];
        let error = FORMAT.read(cut).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_long_value_is_refused_and_a_long_text_is_cut() {
        let long = "x".repeat(1 << 20);
        let error = FORMAT.encode_json(0, &long).unwrap_err();
        assert!(error.to_string().contains("1048578 bytes"), "{error}");
        let cut = FORMAT.encode_text(0, &format!("{long}x"));
        assert_eq!(cut.len(), HEADER + (1 << 20));
    }
}
