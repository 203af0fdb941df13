//! One direction between streams of which one at least is no socket, such as one with TLS.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_lite::{AsyncRead, AsyncWrite};
use switchboard_http::Upgraded;
use switchboard_net::Stream;

use super::Direction;

/// The most bytes of one read.
const PIECE: usize = 16 * 1024;

thread_local! {
    /// What a direction reads to. Only what the writer does not take at once is copied from it.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection whose directions are apart, and the bytes of it that were received already.
pub(super) struct Halves {
    pub(super) early: Bytes,
    pub(super) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl From<Upgraded> for Halves {
    fn from(connection: Upgraded) -> Halves {
        let (reader, writer) = futures_lite::io::split(connection);
        Halves {
            early: Bytes::new(),
            reader: Box::new(reader),
            writer: Box::new(writer),
        }
    }
}

impl From<(Stream, Bytes)> for Halves {
    fn from((socket, early): (Stream, Bytes)) -> Halves {
        Halves {
            early,
            reader: Box::new(socket.clone()),
            writer: Box::new(socket),
        }
    }
}

/// Where a direction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Copying,
    /// The input has ended, and the writer does not know.
    Ending,
    Ended,
}

pub(super) struct Streams {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// What was read and not written yet.
    held: Bytes,
    copied: u64,
    /// Whether the writer may hold bytes that it has taken.
    is_unflushed: bool,
    phase: Phase,
}

impl Streams {
    pub(super) fn new(
        reader: Box<dyn AsyncRead + Send + Unpin>,
        writer: Box<dyn AsyncWrite + Send + Unpin>,
        held: Bytes,
    ) -> Streams {
        Streams {
            reader,
            writer,
            held,
            copied: 0,
            is_unflushed: false,
            phase: Phase::Copying,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.held.is_empty() {
                let written = ready!(Pin::new(&mut self.writer).poll_write(context, &self.held))?;
                self.note(written)?;
                self.held.advance(written);
            }
            match self.phase {
                Phase::Copying => {}
                Phase::Ending => {
                    ready!(Pin::new(&mut self.writer).poll_close(context))?;
                    self.phase = Phase::Ended;
                    return Poll::Ready(Ok(()));
                }
                Phase::Ended => return Poll::Ready(Ok(())),
            }
            // The buffer is taken, because a stream's own read may come here again.
            let mut buffer = BUFFER.take();
            buffer.resize(PIECE, 0);
            let piece = self.poll_piece(&mut buffer, context);
            BUFFER.set(buffer);
            if piece?.is_pending() {
                if self.is_unflushed {
                    ready!(Pin::new(&mut self.writer).poll_flush(context))?;
                    self.is_unflushed = false;
                }
                return Poll::Pending;
            }
        }
    }

    /// Reads once, and writes what the writer takes.
    fn poll_piece(&mut self, buffer: &mut [u8], context: &mut Context<'_>) -> io::Result<Poll<()>> {
        let Poll::Ready(length) = Pin::new(&mut self.reader).poll_read(context, buffer)? else {
            return Ok(Poll::Pending);
        };
        if length == 0 {
            self.phase = Phase::Ending;
        }
        let mut left = &buffer[..length];
        while !left.is_empty() {
            match Pin::new(&mut self.writer).poll_write(context, left)? {
                Poll::Ready(written) => {
                    self.note(written)?;
                    left = &left[written..];
                }
                Poll::Pending => break,
            }
        }
        self.held = Bytes::copy_from_slice(left);
        Ok(Poll::Ready(()))
    }

    fn note(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.copied += written as u64;
        self.is_unflushed = true;
        Ok(())
    }
}

impl Direction for Streams {
    async fn run(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll(context)).await
    }

    fn copied(&self) -> u64 {
        self.copied
    }

    fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }
}
