//! The receiving half of the protocol: bytes become messages.

mod head;
mod partial;

use bytes::Bytes;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use self::head::{Head, HeadReader};
use self::partial::Partial;
use crate::deflate::{Agreed, Inflater};
use crate::frame::{CONTROL, Kind, apply};
use crate::{CloseFrame, Message, Role, Utf8Bytes, Violation};

/// The receiving half of one connection. It takes bytes as they come, divided anywhere, and returns messages.
///
/// It has no memory of its own while no frame is incomplete and no message has begun. One whose peer compresses with a
/// window that it keeps has that window.
///
/// ```
/// use switchboard_websocket::{Decoder, Message, Role};
///
/// // What a server sends: frames without a mask.
/// let mut decoder = Decoder::new(Role::Client, 1 << 20, None);
/// let mut messages = vec![];
/// for mut piece in [&b"\x81"[..], b"\x05he", b"llo\x89\x00"] {
///     while let Some(message) = decoder.decode(&mut piece)? {
///         messages.push(message);
///     }
/// }
/// assert_eq!(messages[0], Message::Text("hello".into()));
/// assert!(matches!(&messages[1], Message::Ping(bytes) if bytes.is_empty()));
/// # Ok::<(), switchboard_websocket::Violation>(())
/// ```
pub struct Decoder {
    head: HeadReader,
    role: Role,
    /// Whether compressed messages may come.
    inflates: bool,
    /// Nothing behind a close frame, or a violation, is read.
    is_over: bool,
    /// The frame whose payload comes.
    frame: Option<Frame>,
    limit: usize,
    /// The message that has begun.
    message: Option<Box<Partial>>,
    /// The payload of a control frame, of which a part has come.
    control: Vec<u8>,
    /// The window of the peer, if it keeps one.
    window: Option<Box<Inflater>>,
}

struct Frame {
    remaining: u64,
    mask: [u8; 4],
    kind: FrameKind,
}

#[derive(Clone, Copy)]
enum FrameKind {
    Data { is_final: bool },
    Control(Control),
}

impl Decoder {
    /// Returns the receiving half of an endpoint that is `role`, for messages of at most `limit` bytes, with the
    /// compression that both sides have [agreed](Agreed) on.
    pub fn new(role: Role, limit: usize, agreed: Option<Agreed>) -> Decoder {
        let keeps = agreed.is_some_and(|agreed| agreed.peer_takeover);
        Decoder {
            head: HeadReader::default(),
            role,
            inflates: agreed.is_some(),
            is_over: false,
            frame: None,
            limit,
            message: None,
            control: Vec::new(),
            window: keeps.then(|| Box::new(Inflater::take())),
        }
    }

    /// Takes bytes from the front of `input`, up to the end of the next message or control frame, and returns
    /// that. `None` if all bytes were taken, and after a close, behind which everything is discarded.
    ///
    /// # Errors
    /// What the peer has violated; nothing is read from then on.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Violation> {
        let decoded = match self.is_over {
            true => Ok(None),
            false => self.next(input),
        };
        if decoded.is_err() {
            self.is_over = true;
            (self.message, self.window, self.control) = (None, None, Vec::new());
        }
        if self.is_over {
            *input = &[];
        }
        decoded
    }

    /// Returns whether no frame is incomplete and no message has begun. Then the peer has nothing under way.
    pub fn is_idle(&self) -> bool {
        self.frame.is_none() && self.message.is_none() && self.head.is_empty()
    }

    fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Violation> {
        loop {
            if self.frame.is_none() {
                let Some(head) = self.head.read(input)? else {
                    return Ok(None);
                };
                self.frame = Some(self.begin(&head)?);
            }
            let Some(frame) = &mut self.frame else {
                unreachable!("a frame has begun")
            };
            let most = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
            let (piece, rest) = input.split_at(most.min(input.len()));
            *input = rest;
            frame.remaining -= piece.len() as u64;
            let (remaining, mut mask, kind) = (frame.remaining, frame.mask, frame.kind);
            let ended = match kind {
                FrameKind::Data { is_final } => self.data(piece, remaining, &mut mask, is_final)?,
                FrameKind::Control(control) => {
                    self.control(piece, remaining, &mut mask, control)?
                }
            };
            match (&mut self.frame, remaining) {
                (Some(frame), 1..) => {
                    frame.mask = mask;
                    return Ok(None);
                }
                (frame, _) => *frame = None,
            }
            if ended.is_some() {
                return Ok(ended);
            }
        }
    }

    /// Checks a head against the state of the connection.
    fn begin(&mut self, head: &Head) -> Result<Frame, Violation> {
        let Head { header, length } = head;
        if header.rsv2 || header.rsv3 || header.rsv1 && !self.inflates {
            return Err(Violation::ReservedBit);
        }
        let mask = match (self.role, header.mask) {
            (Role::Server, Some(mask)) => mask,
            (Role::Server, None) => return Err(Violation::Unmasked),
            (Role::Client, None) => [0; 4],
            (Role::Client, Some(_)) => return Err(Violation::Masked),
        };
        let kind = match header.opcode {
            OpCode::Control(control) => {
                match () {
                    () if header.rsv1 => return Err(Violation::ReservedBit),
                    () if !header.is_final => return Err(Violation::FragmentedControl),
                    () if *length > CONTROL as u64 => return Err(Violation::LongControl),
                    () => {}
                }
                FrameKind::Control(control)
            }
            OpCode::Data(data) => {
                self.begin_data(data, header.rsv1)?;
                let begun = self
                    .message
                    .as_ref()
                    .map_or(0, |message| message.received());
                let limit = self.limit as u64;
                let is_plain = self.message.as_ref().is_some_and(|m| m.is_plain());
                if is_plain && begun as u64 + length > limit {
                    return Err(Violation::TooLarge);
                }
                let is_final = header.is_final;
                FrameKind::Data { is_final }
            }
        };
        Ok(Frame {
            remaining: *length,
            mask,
            kind,
        })
    }
}

impl Decoder {
    /// Begins a message, or goes on with one.
    fn begin_data(&mut self, data: Data, is_compressed: bool) -> Result<(), Violation> {
        let kind = match (data, &self.message) {
            (Data::Continue, Some(_)) if is_compressed => return Err(Violation::ReservedBit),
            (Data::Continue, Some(_)) => return Ok(()),
            (Data::Continue, None) => return Err(Violation::NoMessage),
            (_, Some(_)) => return Err(Violation::MessageWithin),
            (Data::Text, None) => Kind::Text,
            (Data::Binary, None) => Kind::Binary,
            (Data::Reserved(_), None) => return Err(Violation::Opcode),
        };
        self.message = Some(Box::new(Partial::new(kind, is_compressed)));
        Ok(())
    }

    /// Takes a piece of a message. Returns the message if this is its end.
    fn data(
        &mut self,
        piece: &[u8],
        remaining: u64,
        mask: &mut [u8; 4],
        is_final: bool,
    ) -> Result<Option<Message>, Violation> {
        let Some(message) = &mut self.message else {
            unreachable!("a message has begun")
        };
        let ends = is_final && remaining == 0;
        message.take(piece, remaining, mask, self.limit, &mut self.window)?;
        if !ends {
            message.check()?;
            return Ok(None);
        }
        let message = self.message.take();
        let message = message.map(|message| message.finish(self.limit, &mut self.window));
        message.transpose()
    }

    /// Takes a piece of a control frame. Returns the frame if this is its end.
    fn control(
        &mut self,
        piece: &[u8],
        remaining: u64,
        mask: &mut [u8; 4],
        control: Control,
    ) -> Result<Option<Message>, Violation> {
        let start = self.control.len();
        self.control.reserve_exact(piece.len() + remaining as usize);
        self.control.extend_from_slice(piece);
        apply(&mut self.control[start..], mask);
        if remaining > 0 {
            return Ok(None);
        }
        let payload = Bytes::from(std::mem::take(&mut self.control));
        match control {
            Control::Ping => Ok(Some(Message::Ping(payload))),
            Control::Pong => Ok(Some(Message::Pong(payload))),
            Control::Close => {
                let frame = close_frame(payload)?;
                self.is_over = true;
                (self.message, self.window) = (None, None);
                Ok(Some(Message::Close(frame)))
            }
            Control::Reserved(_) => Err(Violation::Opcode),
        }
    }
}

/// Reads the payload of a close frame.
fn close_frame(payload: Bytes) -> Result<Option<CloseFrame>, Violation> {
    let Some((code, _)) = payload.split_first_chunk() else {
        return match payload.is_empty() {
            true => Ok(None),
            false => Err(Violation::CloseLength),
        };
    };
    let number = u16::from_be_bytes(*code);
    let code = CloseCode::from(number);
    // 1014, for a bad gateway, was registered later.
    if !code.is_allowed() && number != 1014 {
        return Err(Violation::CloseCode);
    }
    let reason = Utf8Bytes::try_from(payload.slice(2..)).map_err(|_| Violation::Utf8)?;
    Ok(Some(CloseFrame { code, reason }))
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match (self.is_over, self.is_idle()) {
            (true, _) => "over",
            (false, true) => "idle",
            (false, false) => "within a message",
        };
        write!(f, "Decoder({state})")
    }
}
