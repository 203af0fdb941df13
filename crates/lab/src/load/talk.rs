//! What clients ask, and what they expect back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::wave::Wave;

/// What the clients of a load ask.
///
/// ```
/// use switchboard_lab::Talk;
///
/// assert_eq!(Talk::default(), Talk::Echo);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Talk {
    /// Messages, which come back.
    #[default]
    Echo,
    /// `GET` of this path by HTTP/1.1, on connections that stay. The answer has a status of 200, and the same
    /// length each time.
    Get(String),
}

/// What all clients of a run send and check.
pub(super) enum Exchange {
    /// Messages of this many bytes of the wave.
    Echo(u64, Wave),
    /// A request, the length of its answer, and the answer's body.
    Get {
        request: Vec<u8>,
        answer: u64,
        body: Vec<u8>,
    },
}

/// What every good answer begins with.
const OK: &[u8] = b"HTTP/1.1 200";

/// Bytes of an answer, at most.
const MOST: usize = 64 << 20;

/// Bytes of answers that are received at once.
const ROOM: usize = 64 << 10;

impl Exchange {
    /// Creates the exchange. A path is asked for once, to know the answer.
    pub(super) fn new(
        talk: &Talk,
        addr: SocketAddr,
        message: usize,
        depth: usize,
    ) -> io::Result<Exchange> {
        match talk {
            // One byte more than is expected, to notice a server that sends too much.
            Talk::Echo => {
                let wave = Wave::new(message.saturating_mul(depth).saturating_add(1));
                Ok(Exchange::Echo(message as u64, wave))
            }
            Talk::Get(path) => first_answer(addr, path),
        }
    }

    /// Returns the bytes of a request.
    pub(super) fn request(&self) -> u64 {
        match self {
            Exchange::Echo(message, _) => *message,
            Exchange::Get { request, .. } => request.len() as u64,
        }
    }

    /// Returns the bytes of an answer.
    pub(super) fn answer(&self) -> u64 {
        match self {
            Exchange::Echo(message, _) => *message,
            Exchange::Get { answer, .. } => *answer,
        }
    }

    /// Returns how many bytes may have come back after `sent` bytes were sent.
    pub(super) fn most(&self, sent: u64) -> u64 {
        match self {
            Exchange::Echo(..) => sent,
            Exchange::Get {
                request, answer, ..
            } => sent / request.len() as u64 * answer,
        }
    }

    /// Returns the bytes to send from `sent` on, at most to `due`.
    pub(super) fn bytes(&self, phase: u64, sent: u64, due: u64) -> &[u8] {
        match self {
            Exchange::Echo(_, wave) => {
                let length = (due - sent).min(wave.chunk() as u64) as usize;
                wave.at(phase + sent, length)
            }
            Exchange::Get { request, .. } => &request[(sent % request.len() as u64) as usize..],
        }
    }

    /// Returns room for what is received at once.
    pub(super) fn buffer(&self) -> Vec<u8> {
        match self {
            Exchange::Echo(_, wave) => vec![0; wave.chunk()],
            Exchange::Get { .. } => vec![0; ROOM],
        }
    }

    /// Returns whether these bytes, which came after `received` others, are as they should be. Of an answer's
    /// head only the status is known.
    pub(super) fn is_right(&self, phase: u64, received: u64, bytes: &[u8]) -> bool {
        let (answer, body) = match self {
            Exchange::Echo(_, wave) => return *bytes == *wave.at(phase + received, bytes.len()),
            Exchange::Get { answer, body, .. } => (*answer as usize, body),
        };
        let start = (received % answer as u64) as usize;
        bytes.iter().zip(start..).all(|(byte, at)| {
            let at = at % answer;
            let body_at = at.checked_sub(answer - body.len());
            let known = OK.get(at).or(body_at.and_then(|at| body.get(at)));
            known.is_none_or(|known| known == byte)
        })
    }
}

/// Asks for a path, and returns the exchange to repeat.
fn first_answer(addr: SocketAddr, path: &str) -> io::Result<Exchange> {
    let wrong = |what: &str| {
        let text = format!("GET {path} from {addr}: {what}");
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let patience = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&addr, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n").into_bytes();
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
            let fields = text.lines().filter_map(|line| line.split_once(':'));
            let length = fields
                .filter(|(name, _)| *name == "content-length")
                .find_map(|(_, value)| value.trim().parse::<usize>().ok())
                .ok_or_else(|| wrong("an answer without its length"))?;
            if !answer.starts_with(OK) {
                return Err(wrong(text.lines().next().unwrap_or_default()));
            }
            let whole = (head + 4)
                .checked_add(length)
                .filter(|whole| *whole <= MOST)
                .ok_or_else(|| wrong("an answer of more than 64 MiB"))?;
            if answer.len() >= whole {
                let body = answer[head + 4..whole].to_vec();
                return Ok(Exchange::Get {
                    request,
                    answer: whole as u64,
                    body,
                });
            }
        }
        match stream.read(&mut piece)? {
            0 => return Err(wrong("the connection ended")),
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
}
