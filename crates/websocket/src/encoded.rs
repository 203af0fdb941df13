//! Messages that are encoded once, for any number of receivers.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::deflate::{Deflater, MOST_BITS};
use crate::frame::{self, Kind};
use crate::{Message, Role, Utf8Bytes};

/// A message as a server sends it: one frame, encoded once for all receivers. The compressed form is made when the first
/// receiver wants it. A clone is the same message.
///
/// ```
/// use switchboard_websocket::Encoded;
///
/// let message = Encoded::text("hello");
/// assert_eq!(&*message.frame(), b"\x81\x05hello");
/// assert_eq!(message.payload(), b"hello");
/// ```
#[derive(Clone)]
pub struct Encoded(Arc<Inner>);

struct Inner {
    kind: Kind,
    /// How many bytes of the frame are its head.
    head: u8,
    frame: Bytes,
    /// `None` within if the compressed form is no shorter.
    deflated: OnceLock<Option<Bytes>>,
}

impl Encoded {
    /// Encodes a text.
    pub fn text(text: &str) -> Encoded {
        Encoded::new(Kind::Text, text.as_bytes())
    }

    /// Encodes bytes.
    pub fn binary(bytes: &[u8]) -> Encoded {
        Encoded::new(Kind::Binary, bytes)
    }

    fn new(kind: Kind, payload: &[u8]) -> Encoded {
        let mut frame = Vec::new();
        frame::append(&mut frame, Role::Server, kind.into(), false, payload);
        Encoded(Arc::new(Inner {
            kind,
            head: (frame.len() - payload.len()) as u8,
            frame: Bytes::from(frame),
            deflated: OnceLock::new(),
        }))
    }

    /// Encodes a received message, to be sent to others; `None` for a control frame.
    pub fn message(message: &Message) -> Option<Encoded> {
        match message {
            Message::Text(text) => Some(Encoded::text(text)),
            Message::Binary(bytes) => Some(Encoded::binary(bytes)),
            _ => None,
        }
    }

    /// Returns the message's bytes.
    pub fn payload(&self) -> &[u8] {
        &self.0.frame[usize::from(self.0.head)..]
    }

    /// Returns the frame that is not compressed.
    pub fn frame(&self) -> Bytes {
        self.0.frame.clone()
    }

    /// Returns the frame that is compressed, for every peer that has agreed on compression and on a window of at least
    /// as many bytes as the message has, or of 32 KiB; `None` if compressing does not make the message shorter.
    pub fn deflated(&self) -> Option<Bytes> {
        let deflated = self.0.deflated.get_or_init(|| {
            let deflated = Deflater::deflate_alone(self.payload(), MOST_BITS);
            let deflated = deflated.filter(|deflated| deflated.len() < self.payload().len());
            deflated.map(|deflated| Bytes::from(self.compressed(Role::Server, &deflated)))
        });
        deflated.clone()
    }

    /// Returns the frame of a compressed form.
    pub(crate) fn compressed(&self, role: Role, deflated: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame::append(&mut frame, role, self.0.kind.into(), true, deflated);
        frame
    }

    /// Returns the masked frame of a client.
    pub(crate) fn masked(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        let (role, opcode) = (Role::Client, self.0.kind.into());
        frame::append(&mut frame, role, opcode, false, self.payload());
        frame
    }
}

impl AsRef<Encoded> for Encoded {
    fn as_ref(&self) -> &Encoded {
        self
    }
}

impl From<&Encoded> for Encoded {
    fn from(message: &Encoded) -> Encoded {
        message.clone()
    }
}

impl From<&str> for Encoded {
    fn from(text: &str) -> Encoded {
        Encoded::text(text)
    }
}

impl From<&String> for Encoded {
    fn from(text: &String) -> Encoded {
        Encoded::text(text)
    }
}

impl From<Utf8Bytes> for Encoded {
    fn from(text: Utf8Bytes) -> Encoded {
        Encoded::text(&text)
    }
}

impl From<&[u8]> for Encoded {
    fn from(bytes: &[u8]) -> Encoded {
        Encoded::binary(bytes)
    }
}

impl From<Bytes> for Encoded {
    fn from(bytes: Bytes) -> Encoded {
        Encoded::binary(&bytes)
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Encoded({:?}, {} bytes)",
            self.0.kind,
            self.payload().len()
        )
    }
}
