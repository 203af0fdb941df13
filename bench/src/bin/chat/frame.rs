//! WebSocket frames, as much of them as a load needs.

/// A text.
pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [0x3a, 0x91, 0x5c, 0xe7];

/// What a client sends to become a WebSocket client, by the end of which its answer has to come.
pub const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// The end of the answer's field that proves it.
pub const PROOF: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Returns a client's frame.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    let bytes = payload.iter().zip(MASK.iter().cycle());
    frame.extend(bytes.map(|(byte, mask)| byte ^ mask));
    frame
}

/// Returns the lengths of the head and of the whole of the server's frame that begins here, if all of it is here.
pub fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, payload) = match (*bytes.get(1)?, bytes) {
        (length @ ..126, _) => (2, usize::from(length)),
        (126, [_, _, high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        (127, [_, _, length @ ..]) => {
            let length = length
                .first_chunk()
                .map(|length| u64::from_be_bytes(*length))?;
            (10, length as usize)
        }
        _ => return None,
    };
    (bytes.len() >= head + payload).then_some((head, head + payload))
}
