//! A client of HTTP/2 that sends exactly the frames a test gives it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use switchboard_net::Stream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// The reason of a flood.
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
pub(crate) const REFUSED_STREAM: u32 = 7;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Returns the reason of a RST_STREAM or GOAWAY frame.
    pub(crate) fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The client's end of a connection.
pub(crate) struct Client(pub(crate) TcpStream);

/// Returns both ends of a connection.
pub(crate) fn connection() -> (Client, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nodelay(true).unwrap();
    (Client(client), listener.accept().unwrap().0.into())
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Returns the fields of a request, compressed: those of the static table, and literals.
pub(crate) fn fields(method: u8, path: &str) -> Vec<u8> {
    let path = [&[0x04, path.len() as u8], path.as_bytes()].concat();
    [&[method, 0x86], &path[..], b"\x01\x04here"].concat()
}

/// Returns the fields of a request, written out.
pub(crate) fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            // A number of seven bits, or what is left in groups of seven.
            let mut length = text.len();
            bytes.push(length.min(127) as u8);
            if length >= 127 {
                length -= 127;
                while length >= 128 {
                    bytes.push((length % 128) as u8 | 128);
                    length /= 128;
                }
                bytes.push(length as u8);
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// The methods GET and POST, compressed.
pub(crate) const GET: u8 = 0x82;
pub(crate) const POST: u8 = 0x83;

impl Client {
    /// Greets the server with settings.
    pub(crate) fn greet(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.send(&[PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat());
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        let flags = END_HEADERS | END_STREAM;
        self.send(&frame(HEADERS, flags, stream, &fields(GET, path)));
    }

    /// Returns the next frame, after answering pings and settings; `None` once the server has closed.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            match (frame.kind, frame.flags & ACK) {
                (SETTINGS, 0) => self.answer(SETTINGS, &[]),
                (PING, 0) => self.answer(PING, &frame.payload),
                (SETTINGS | PING, _) => {}
                _ => return Some(frame),
            }
        }
    }

    fn answer(&mut self, kind: u8, payload: &[u8]) {
        // The server may have closed.
        let _ = self.0.write_all(&frame(kind, ACK, 0, payload));
    }

    /// Returns the next frame of any kind.
    pub(crate) fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.0.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return None,
            Err(error) => panic!("{error}"),
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).unwrap();
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// Returns the next frame of a kind; others are left out.
    pub(crate) fn wait_for(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().expect("the connection is open");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads up to the end, and returns the last frames by which the server said why.
    pub(crate) fn rest(mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
    )
}
