//! A client and a server of WebSocket (RFC 6455) that divide what they send at random.

use std::io::ErrorKind;

use fastrand::Rng;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use switchboard_runtime::join;

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nhost: here\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPT: &str = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const LAST: u8 = 0x80;

/// The frames of one client.
const FRAMES: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    /// The kind, and whether it is the last of its message.
    first: u8,
    payload: Vec<u8>,
}

impl Frame {
    /// Returns one of a random message, or of a part of one.
    fn random(rng: &mut Rng) -> Frame {
        let length = [0, 1, 125, 126, 4_000, 65_535, 65_536, 100_000][rng.usize(..8)];
        let first = BINARY | if rng.bool() { LAST } else { 0 };
        let payload = (0..length).map(|_| rng.u8(..)).collect();
        Frame { first, payload }
    }

    fn of(kind: u8, payload: &[u8]) -> Frame {
        let (first, payload) = (LAST | kind, payload.to_vec());
        Frame { first, payload }
    }

    /// Returns the bytes of the frame; those of a client are masked.
    fn bytes(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
        let mut bytes = vec![self.first];
        let masked = if mask.is_some() { 0x80 } else { 0 };
        match self.payload.len() {
            length @ 0..126 => bytes.push(masked | length as u8),
            length @ 126..0x1_0000 => {
                bytes.push(masked | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(masked | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(mask.into_iter().flatten());
        let mask = mask.unwrap_or_default();
        let payload = self.payload.iter().enumerate();
        bytes.extend(payload.map(|(at, byte)| byte ^ mask[at % 4]));
        bytes
    }

    /// Reads a frame; `None` at the end of input before one.
    async fn read(reader: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
        let mut start = [0; 2];
        match reader.read_exact(&mut start[..1]).await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            read => read.unwrap(),
        }
        reader.read_exact(&mut start[1..]).await.unwrap();
        let mut length = usize::from(start[1] & 0x7f);
        let more = if length == 126 { 2 } else { 8 };
        if length >= 126 {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes[8 - more..]).await.unwrap();
            length = u64::from_be_bytes(bytes) as usize;
        }
        let mut mask = [0; 4];
        if start[1] & 0x80 != 0 {
            reader.read_exact(&mut mask).await.unwrap();
        }
        let mut payload = vec![0; length];
        reader.read_exact(&mut payload).await.unwrap();
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        let first = start[0];
        Some(Frame { first, payload })
    }
}

/// Reads a head, and nothing behind it.
async fn read_head(reader: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).await.unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Sends bytes in pieces of random lengths.
async fn send(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8], rng: &mut Rng) {
    let mut left = bytes;
    while !left.is_empty() {
        let most = [1, 10, 1_000, 50_000][rng.usize(..4)];
        let (piece, rest) = left.split_at(rng.usize(1..=most).min(left.len()));
        writer.write_all(piece).await.unwrap();
        // Streams with TLS may keep the end.
        writer.flush().await.unwrap();
        left = rest;
    }
}

/// Sends messages and receives them back, with a greeting before and the goodbyes of both sides behind.
pub(crate) async fn client(stream: impl AsyncRead + AsyncWrite + Unpin, mut rng: Rng) {
    let frames: Vec<Frame> = (0..FRAMES).map(|_| Frame::random(&mut rng)).collect();
    let (mut reader, mut writer) = futures_lite::io::split(stream);
    send(&mut writer, HANDSHAKE.as_bytes(), &mut rng).await;
    let head = read_head(&mut reader).await;
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    for field in ["upgrade: websocket", "connection: upgrade", ACCEPT] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
    }
    let goodbye = Frame::of(CLOSE, b"\x03\xe8bye");
    let mut bytes = Vec::new();
    for frame in frames.iter().chain([&goodbye]) {
        bytes.extend(frame.bytes(Some([(); 4].map(|()| rng.u8(..)))));
    }
    let sending = send(&mut writer, &bytes, &mut rng);
    let receiving = async {
        let greeting = Frame::of(TEXT, b"welcome");
        for expected in [&greeting].into_iter().chain(&frames).chain([&goodbye]) {
            assert!(Frame::read(&mut reader).await.as_ref() == Some(expected));
        }
        assert_eq!(Frame::read(&mut reader).await, None);
    };
    join(sending, receiving).await;
    writer.close().await.unwrap();
}

/// Sends each frame of a client back, until it says goodbye.
pub(crate) async fn server(stream: impl AsyncRead + AsyncWrite + Unpin, mut rng: Rng) {
    let (mut reader, mut writer) = futures_lite::io::split(stream);
    let head = read_head(&mut reader).await;
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
    for field in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    ] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
    }
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{ACCEPT}\r\n\r\n"
    )
    .into_bytes();
    // The greeting comes with the head.
    answer.extend(Frame::of(TEXT, b"welcome").bytes(None));
    writer.write_all(&answer).await.unwrap();
    writer.flush().await.unwrap();
    while let Some(frame) = Frame::read(&mut reader).await {
        send(&mut writer, &frame.bytes(None), &mut rng).await;
        if frame.first == LAST | CLOSE {
            break;
        }
    }
    writer.close().await.unwrap();
    assert_eq!(Frame::read(&mut reader).await, None);
}
