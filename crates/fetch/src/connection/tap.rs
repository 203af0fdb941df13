//! The bytes of a connection: those of the heads are kept where a request wants them, what a server has sent is read
//! to its end although it takes no more, and it is known whether it has taken all that was to be sent.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::{ByteStream, LONGEST_HEAD};

/// A stream whose bytes are kept while somebody wants them.
pub(super) struct Tap {
    stream: Box<dyn ByteStream>,
    recorder: Arc<Recorder>,
    /// Whether the server takes no more bytes. What it has sent before may be the whole answer, so that is read first:
    /// the end of the input, or its error, ends the connection.
    deaf: bool,
}

#[derive(Default)]
pub(super) struct Recorder {
    on: AtomicBool,
    /// Whether bytes wait until the server takes more.
    is_full: AtomicBool,
    /// What was sent, and what was received.
    kept: Mutex<(Vec<u8>, Vec<u8>)>,
}

impl Tap {
    pub(super) fn new(stream: Box<dyn ByteStream>) -> (Tap, Arc<Recorder>) {
        let recorder = Arc::<Recorder>::default();
        let tap = Tap {
            stream,
            recorder: recorder.clone(),
            deaf: false,
        };
        (tap, recorder)
    }
}

impl Recorder {
    /// Keeps bytes from now on.
    pub(super) fn begin(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
        self.on.store(true, Ordering::Relaxed);
    }

    /// Keeps no more; returns the head that was sent, and the last one that was received. Each ends with its empty line.
    pub(super) fn end(&self) -> (Vec<u8>, Vec<u8>) {
        self.on.store(false, Ordering::Relaxed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut sent, mut received) = std::mem::take(&mut *kept);
        sent.truncate(head_length(&sent));
        let mut at = 0;
        let mut length = head_length(&received);
        while length > 0 && is_informational(&received[at..]) {
            at += length;
            length = head_length(&received[at..]);
        }
        received.truncate(at + length);
        // Once for all, since a server may send very many of them.
        received.drain(..at);
        (sent, received)
    }

    /// Returns whether bytes wait until the server takes more. Bytes of a request whose answer has come are among them
    /// if the server has not read it to its end.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    fn keep(&self, bytes: &[u8], which: impl Fn(&mut (Vec<u8>, Vec<u8>)) -> &mut Vec<u8>) {
        if self.on.load(Ordering::Relaxed) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = which(&mut kept);
            let space = (2 * LONGEST_HEAD).saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(space)]);
        }
    }
}

/// Returns the length of the head at the start of `bytes`, with its empty line; all if there is none.
fn head_length(bytes: &[u8]) -> usize {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut length = 0;
    // Empty lines before a head are not part of it, and are skipped by whoever reads it.
    let mut begun = false;
    for line in &mut lines {
        length += line.len();
        let empty = matches!(line, b"\n" | b"\r\n");
        if empty && begun {
            break;
        }
        begun |= !empty;
    }
    length
}

fn is_informational(head: &[u8]) -> bool {
    let mut words = head.split(|byte| *byte == b' ').skip(1);
    let code = words.next().unwrap_or_default();
    code.len() >= 3 && code[0] == b'1' && !code.starts_with(b"101")
}

impl Tap {
    /// Passes the result of a write on, or `done` in its place if it is that the server takes no more.
    fn heard<T>(&mut self, written: Poll<io::Result<T>>, done: T) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error)) if is_deaf(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(done))
            }
            written => written,
        }
    }
}

fn is_deaf(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(length)) = read {
            self.recorder.keep(&buffer[..length], |kept| &mut kept.1);
        }
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        let is_full = !matches!(written, Poll::Ready(Ok(length)) if length == bytes.len());
        self.recorder.is_full.store(is_full, Ordering::Relaxed);
        if let Poll::Ready(Ok(length)) = written {
            self.recorder.keep(&bytes[..length], |kept| &mut kept.0);
        }
        self.heard(written, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // hyper flushes once everything was written.
        let is_full = !matches!(flushed, Poll::Ready(Ok(())));
        self.recorder.is_full.store(is_full, Ordering::Relaxed);
        self.heard(flushed, ())
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let closed = Pin::new(&mut self.stream).poll_close(context);
        self.heard(closed, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_before_the_last_one_are_left_out_however_many() {
        let recorder = Recorder::default();
        recorder.begin();
        recorder.keep(b"GET / HTTP/1.1\r\n\r\n", |kept| &mut kept.0);
        let hint = b"HTTP/1.1 103 \r\n\r\n";
        let hints = hint.repeat(2 * LONGEST_HEAD / hint.len() - 2);
        recorder.keep(&hints, |kept| &mut kept.1);
        recorder.keep(b"HTTP/1.1 200 \r\n\r\nbody", |kept| &mut kept.1);
        let (sent, received) = recorder.end();
        assert_eq!(sent, b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(received, b"HTTP/1.1 200 \r\n\r\n");
    }
}
