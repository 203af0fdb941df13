//! What an endpoint receives.

use bytes::Bytes;
use tungstenite::protocol::CloseFrame;

use crate::Utf8Bytes;

/// A message, or a control frame. A clone shares the bytes.
///
/// ```
/// use switchboard_websocket::Message;
///
/// let message = Message::Text("hello".into());
/// assert!(message.is_data());
/// assert_eq!(message.payload(), b"hello");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A message of text.
    Text(Utf8Bytes),
    /// A message of bytes.
    Binary(Bytes),
    /// A question whether this end is there, of at most 125 bytes. A connection answers it by itself.
    Ping(Bytes),
    /// The answer to a ping, with its bytes.
    Pong(Bytes),
    /// The end of the peer's messages, with its reason if it gave one. A connection answers it by itself.
    Close(Option<CloseFrame>),
}

impl Message {
    /// Returns whether this is a message, and no control frame.
    pub fn is_data(&self) -> bool {
        matches!(self, Message::Text(_) | Message::Binary(_))
    }

    /// Returns the bytes; of a close, those of its reason.
    pub fn payload(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes,
            Message::Close(Some(frame)) => frame.reason.as_bytes(),
            Message::Close(None) => &[],
        }
    }
}
