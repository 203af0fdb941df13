//! The sending half of the protocol: which form of a message a peer gets.

use bytes::Bytes;
use tungstenite::protocol::frame::coding::Control;

use crate::deflate::{Agreed, Deflater, MOST_BITS};
use crate::{CloseFrame, Encoded, Role, frame};

/// The sending half of one connection: it turns messages into the frames that this peer gets.
///
/// ```
/// use switchboard_websocket::{Encoded, Encoder, Role};
///
/// let mut encoder = Encoder::new(Role::Server, 128, None);
/// assert_eq!(&*encoder.encode(&Encoded::text("hello")), b"\x81\x05hello");
/// assert_eq!(&*encoder.ping(b""), b"\x89\x00");
/// assert_eq!(&*encoder.close(None), b"\x88\x00");
/// ```
#[derive(Debug)]
pub struct Encoder {
    role: Role,
    agreed: Option<Agreed>,
    compress_from: usize,
    /// The window of this end, if it keeps one.
    deflater: Option<Box<Deflater>>,
}

impl Encoder {
    /// Returns the sending half of an endpoint that is `role` and compresses messages of `compress_from` bytes and
    /// more as both sides have [agreed](Agreed).
    pub fn new(role: Role, compress_from: usize, agreed: Option<Agreed>) -> Encoder {
        let deflater = agreed.filter(|agreed| agreed.own_takeover);
        let deflater = deflater.and_then(|agreed| Deflater::new(agreed.own_bits));
        Encoder {
            role,
            agreed,
            compress_from,
            deflater: deflater.map(Box::new),
        }
    }

    /// Returns the frame of a message. A client's has a mask of its own, and one that is compressed with a window which
    /// is kept must be sent before the next is encoded.
    pub fn encode(&mut self, message: &Encoded) -> Bytes {
        let compresses = message.payload().len() >= self.compress_from;
        let agreed = self.agreed.filter(|_| compresses);
        let compressed = agreed.and_then(|agreed| self.compress(message, agreed.own_bits));
        compressed.unwrap_or_else(|| match self.role {
            Role::Server => message.frame(),
            Role::Client => Bytes::from(message.masked()),
        })
    }

    /// Returns the compressed frame; `None` if the other one is to be sent.
    fn compress(&mut self, message: &Encoded, bits: u8) -> Option<Bytes> {
        let payload = message.payload();
        if let Some(deflater) = &mut self.deflater {
            let deflated = deflater.deflate(payload);
            return Some(message.compressed(self.role, &deflated).into());
        }
        // Nothing in a message is farther away from its end than its start.
        let fits = bits == MOST_BITS || payload.len() <= 1 << bits;
        if fits && self.role == Role::Server {
            return message.deflated();
        }
        let bits = if fits { MOST_BITS } else { bits };
        let deflated = Deflater::deflate_alone(payload, bits)?;
        let is_shorter = deflated.len() < payload.len();
        is_shorter.then(|| message.compressed(self.role, &deflated).into())
    }

    /// Returns whether encoding a message twice gives the same frame, and changes nothing.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.role == Role::Server && self.deflater.is_none()
    }

    /// Returns a ping, whose payload is cut after 125 bytes.
    pub fn ping(&self, payload: &[u8]) -> Bytes {
        self.control(Control::Ping, payload)
    }

    /// Returns a pong, whose payload is cut after 125 bytes.
    pub fn pong(&self, payload: &[u8]) -> Bytes {
        self.control(Control::Pong, payload)
    }

    fn control(&self, control: Control, payload: &[u8]) -> Bytes {
        let payload = &payload[..payload.len().min(frame::CONTROL)];
        frame::control(self.role, control, payload).into()
    }

    /// Returns a close, whose reason is cut after 123 bytes. Nothing may be sent behind it.
    pub fn close(&self, reason: Option<&CloseFrame>) -> Bytes {
        frame::close(self.role, reason).into()
    }
}
