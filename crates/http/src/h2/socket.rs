//! A connection's bytes in hyper's traits, counted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use switchboard_net::Chunk;

use super::tally::{Tally, add};
use crate::server::Transport;

pub(super) struct Socket<T> {
    io: T,
    /// Received bytes, and how many of them hyper has taken.
    chunk: Option<(Chunk, usize)>,
    tally: Rc<Tally>,
}

impl<T> Socket<T> {
    /// Returns the bytes of `first`, and then those of `io`.
    pub(super) fn new(io: T, first: Chunk, tally: Rc<Tally>) -> Socket<T> {
        add(&tally.read, first.len() as u64);
        Socket {
            io,
            chunk: Some((first, 0)),
            tally,
        }
    }
}

impl<T: Transport + Unpin> Read for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let (chunk, taken) = match self.chunk.take() {
            Some(left) => left,
            None => {
                let chunk = ready!(self.io.poll_recv(context))?;
                add(&self.tally.read, chunk.len() as u64);
                (chunk, 0)
            }
        };
        let end = chunk.len().min(taken + into.remaining());
        into.put_slice(&chunk[taken..end]);
        if end < chunk.len() {
            self.chunk = Some((chunk, end));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport + Unpin> Write for Socket<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.io.poll_send_vectored(context, buffers);
        self.tally.blocked.set(polled.is_pending());
        if let Poll::Ready(Ok(length)) = polled {
            add(&self.tally.written, length as u64);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_shutdown(context)
    }
}
