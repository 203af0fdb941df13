//! What ends a connection whose peer breaks the protocol.

use std::error::Error;
use std::fmt;
use std::io;

use crate::CloseCode;

/// A violation of the protocol or of a limit by the peer. The connection is closed with its
/// [code](Violation::code). Operations report it within an [`io::Error`] of kind `InvalidData`.
///
/// ```
/// use std::io;
/// use switchboard_websocket::{CloseCode, Violation};
///
/// let error = io::Error::from(Violation::TooLarge);
/// assert_eq!(error.kind(), io::ErrorKind::InvalidData);
/// let violation = error.get_ref().and_then(|error| error.downcast_ref::<Violation>());
/// assert_eq!(violation.map(|violation| violation.code()), Some(CloseCode::Size));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A reserved bit that no extension has given a meaning.
    ReservedBit,
    /// An opcode without a meaning.
    Opcode,
    /// A client's frame without a mask.
    Unmasked,
    /// A server's frame with a mask.
    Masked,
    /// A length that is not in its shortest form, or above 2^63.
    Length,
    /// A control frame of more than 125 bytes.
    LongControl,
    /// A control frame in several fragments.
    FragmentedControl,
    /// A continuation of no message.
    NoMessage,
    /// A new message before the last one has ended.
    MessageWithin,
    /// A close frame with one byte.
    CloseLength,
    /// A close code that no peer may send.
    CloseCode,
    /// A text, or a reason of a close, that is not UTF-8.
    Utf8,
    /// A compressed message that cannot be decompressed.
    Deflate,
    /// A message over the limit.
    TooLarge,
}

impl Violation {
    /// Returns the code with which the connection is closed: 1002, 1007 or 1009.
    pub fn code(self) -> CloseCode {
        match self {
            Violation::Utf8 | Violation::Deflate => CloseCode::Invalid,
            Violation::TooLarge => CloseCode::Size,
            _ => CloseCode::Protocol,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Violation::ReservedBit => "a reserved bit is set",
            Violation::Opcode => "an opcode without a meaning",
            Violation::Unmasked => "a client's frame without a mask",
            Violation::Masked => "a server's frame with a mask",
            Violation::Length => "a length that is not in its shortest form",
            Violation::LongControl => "a control frame of more than 125 bytes",
            Violation::FragmentedControl => "a control frame in several fragments",
            Violation::NoMessage => "a continuation of no message",
            Violation::MessageWithin => "a message begins within another one",
            Violation::CloseLength => "a close frame with one byte",
            Violation::CloseCode => "a close code that may not be sent",
            Violation::Utf8 => "a text that is not UTF-8",
            Violation::Deflate => "a message that cannot be decompressed",
            Violation::TooLarge => "a message over the limit",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error for Violation {}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, violation)
    }
}
