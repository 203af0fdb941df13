//! Frames: their heads and masks.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::{CloseFrame, Role};

/// The most bytes of a control frame's payload.
pub(crate) const CONTROL: usize = 125;
/// The most bytes of a head.
pub(crate) const HEAD: usize = 14;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

impl From<Kind> for OpCode {
    fn from(kind: Kind) -> OpCode {
        OpCode::Data(match kind {
            Kind::Text => Data::Text,
            Kind::Binary => Data::Binary,
        })
    }
}

/// Applies a mask, and turns it so that it goes on with the next byte.
pub(crate) fn apply(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let word = u32::from_ne_bytes(*mask);
    let wide = u64::from(word) << 32 | u64::from(word);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    mask.rotate_left(rest.len() % 4);
}

/// Appends a whole frame to `out`; a client's is masked.
pub(crate) fn append(
    out: &mut Vec<u8>,
    role: Role,
    opcode: OpCode,
    is_compressed: bool,
    payload: &[u8],
) {
    let mask = match role {
        Role::Server => None,
        Role::Client => Some(rand::random()),
    };
    let header = FrameHeader {
        is_final: true,
        rsv1: is_compressed,
        rsv2: false,
        rsv3: false,
        opcode,
        mask,
    };
    let length = payload.len() as u64;
    out.reserve_exact(header.len(length) + payload.len());
    let Ok(()) = header.format(length, out) else {
        unreachable!("a vector takes all that is written")
    };
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mut mask) = mask {
        apply(&mut out[start..], &mut mask);
    }
}

/// Returns a control frame.
pub(crate) fn control(role: Role, control: Control, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out, role, OpCode::Control(control), false, payload);
    out
}

/// Returns a close frame. A reason that is too long for one is cut.
pub(crate) fn close(role: Role, frame: Option<&CloseFrame>) -> Vec<u8> {
    let Some(frame) = frame else {
        return control(role, Control::Close, &[]);
    };
    let reason = &frame.reason[..frame.reason.floor_char_boundary(CONTROL - 2)];
    let code = u16::from(frame.code).to_be_bytes();
    control(role, Control::Close, &[&code, reason.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn a_mask_goes_on_where_a_piece_ended() {
        let mask = [0x12, 0x34, 0x56, 0x78];
        let bytes: Vec<u8> = (0..100).collect();
        let expected: Vec<u8> = bytes
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        for first in 0..=50 {
            for second in first..=100 {
                let (mut masked, mut mask) = (bytes.clone(), mask);
                apply(&mut masked[..first], &mut mask);
                apply(&mut masked[first..second], &mut mask);
                apply(&mut masked[second..], &mut mask);
                assert_eq!(masked, expected, "{first} {second}");
            }
        }
    }
}
