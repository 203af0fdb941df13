//! What clients send, and what they expect back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::backend::Backend;

/// One request and its answer, the same each time.
#[derive(Clone)]
pub struct Exchange {
    /// What is sent.
    pub request: Vec<u8>,
    /// The bytes of an answer.
    pub answer: usize,
    /// How each answer has to begin.
    pub begins: &'static [u8],
}

/// What every good answer of an HTTP server begins with.
const OK: &[u8] = b"HTTP/1.1 200";
/// Answers this small come in one piece.
pub const SMALL: usize = 1024;

/// Returns a body of so many bytes; one of 13 bytes is a greeting.
pub fn body(length: usize) -> Vec<u8> {
    match length {
        13 => b"Hello, world!".to_vec(),
        _ => (b'a'..=b'z').cycle().take(length).collect(),
    }
}

impl Exchange {
    /// Returns an exchange with an echo server.
    pub fn echo(message: usize) -> Exchange {
        Exchange {
            request: vec![b'x'; message],
            answer: message,
            begins: b"",
        }
    }

    /// Asks an HTTP server for `path` once, and expects the [`body`] of `length` bytes. Returns the exchange to
    /// repeat, and the head of the answer. The server's `backend` is served meanwhile.
    ///
    /// # Errors
    /// `InvalidData` for any other answer; the system's.
    pub fn get(
        addr: SocketAddr,
        path: &str,
        length: usize,
        mut backend: Option<&mut Backend>,
    ) -> io::Result<(Exchange, String)> {
        let mut stream = TcpStream::connect(addr)?;
        let wait = match backend {
            Some(_) => Duration::from_millis(1),
            None => Duration::from_secs(10),
        };
        stream.set_read_timeout(Some(wait))?;
        let between = || match &mut backend {
            Some(backend) => backend.turn(),
            None => Err(io::ErrorKind::TimedOut.into()),
        };
        Exchange::get_on(&mut stream, path, length, between)
    }

    /// Asks as [`get`](Exchange::get) does, on an open connection. `between` is called after a read that timed
    /// out.
    ///
    /// # Errors
    /// As [`get`](Exchange::get).
    pub fn get_on(
        stream: &mut (impl Read + Write),
        path: &str,
        length: usize,
        mut between: impl FnMut() -> io::Result<()>,
    ) -> io::Result<(Exchange, String)> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        let mut turns = 0;
        let head = loop {
            if let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n")
                && answer.len() >= at + 4 + length
            {
                break at + 4;
            }
            match stream.read(&mut piece) {
                Ok(0) => return Err(other(&answer, "the connection ended")),
                Ok(read) => answer.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && turns < 10_000 => {
                    turns += 1;
                    between().map_err(|_| other(&answer, "nothing more came"))?;
                }
                Err(error) => return Err(error),
            }
        };
        let text = String::from_utf8_lossy(&answer[..head]).into_owned();
        if !answer.starts_with(OK) {
            return Err(other(&answer, "the status should be 200"));
        }
        if answer[head..] != body(length) {
            return Err(other(&answer, "the body is another one"));
        }
        let exchange = Exchange {
            request: request.into_bytes(),
            answer: answer.len(),
            begins: OK,
        };
        Ok((exchange, text))
    }

    /// Returns an error unless this, the first bytes of an answer, are as they should be.
    ///
    /// # Errors
    /// `InvalidData`.
    pub fn check(&self, first: &[u8]) -> io::Result<()> {
        let length = first.len().min(self.begins.len());
        match first[..length] == self.begins[..length] {
            true => Ok(()),
            false => Err(other(first, "an answer that is not the expected one")),
        }
    }

    /// Takes at most `most` bytes of answers, none if there are none. The first is at the offset `part` of its
    /// answer. How answers begin is checked; the rest is copied nowhere, unless answers are small.
    ///
    /// # Errors
    /// `InvalidData` for an answer that begins otherwise; the system's; `UnexpectedEof`.
    pub fn take(
        &self,
        stream: &TcpStream,
        part: usize,
        most: usize,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        if self.begins.is_empty() {
            return receive(stream, None, most);
        }
        if self.answer <= SMALL {
            let most = most.min(buffer.len());
            let taken = receive(stream, Some(&mut buffer[..most]), most)?;
            let next = (self.answer - part) % self.answer;
            for at in (next..taken).step_by(self.answer) {
                self.check(&buffer[at..taken])?;
            }
            return Ok(taken);
        }
        let mut taken = 0;
        if part == 0 {
            let first = &mut buffer[..self.begins.len()];
            let length = first.len();
            taken = receive(stream, Some(first), length)?;
            self.check(&buffer[..taken])?;
            if taken < length {
                return Ok(taken);
            }
        }
        Ok(taken + receive(stream, None, most - taken)?)
    }
}

/// Takes what is there, without waiting, into the buffer, or nowhere.
fn receive(stream: &TcpStream, buffer: Option<&mut [u8]>, most: usize) -> io::Result<usize> {
    let (to, truncate) = match buffer {
        Some(buffer) => (buffer.as_mut_ptr(), 0),
        None => (std::ptr::null_mut(), libc::MSG_TRUNC),
    };
    // SAFETY: the buffer has room for `most` bytes; with `MSG_TRUNC`, TCP writes to no buffer.
    match unsafe {
        libc::recv(
            stream.as_raw_fd(),
            to.cast(),
            most,
            libc::MSG_DONTWAIT | truncate,
        )
    } {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length @ 1.. => Ok(length as usize),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            error => Err(error),
        },
    }
}

fn other(answer: &[u8], what: &str) -> io::Error {
    let line = answer
        .split(|&byte| byte == b'\r')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(&line[..line.len().min(80)]);
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {line:?}"))
}
