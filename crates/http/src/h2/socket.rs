//! A connection's bytes in hyper's traits, counted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use switchboard_net::Chunk;

use super::frames::Frames;
use super::tally::{Tally, add};
use super::watch::PREFACE;
use crate::server::Transport;

pub(super) struct Socket<T> {
    io: T,
    /// Received bytes, and how many of them hyper has taken.
    chunk: Option<(Chunk, usize)>,
    /// The frames of the client, and those of this side.
    received: Frames,
    sent: Frames,
    tally: Rc<Tally>,
}

impl<T> Socket<T> {
    /// Returns the bytes of `first`, and then those of `io`.
    pub(super) fn new(io: T, first: Chunk, tally: Rc<Tally>) -> Socket<T> {
        let mut received = Frames::after(PREFACE.len());
        received.pass(&first, &tally);
        add(&tally.read, first.len() as u64);
        Socket {
            io,
            chunk: Some((first, 0)),
            received,
            sent: Frames::after(0),
            tally,
        }
    }
}

impl<T: Transport> Socket<T> {
    /// Tells the client that its frames are too many, if there is room to. Returns the error.
    #[cold]
    fn refuse_flood(&mut self, context: &mut Context<'_>) -> io::Error {
        if self.sent.is_between() {
            let frame = self.received.farewell();
            // The error stands, whether or not the client hears of it.
            let _ = self.io.poll_send_vectored(context, &[IoSlice::new(&frame)]);
            let _ = self.io.poll_flush(context);
        }
        let bytes = self.tally.empty.get();
        let text = format!("a flood: {bytes} bytes of frames that carry nothing");
        io::Error::other(text)
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
                let this = &mut *self;
                add(&this.tally.read, chunk.len() as u64);
                this.received.pass(&chunk, &this.tally);
                if this.tally.is_flooded() {
                    return Poll::Ready(Err(this.refuse_flood(context)));
                }
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
        let this = &mut *self;
        let polled = this.io.poll_send_vectored(context, buffers);
        this.tally.blocked.set(polled.is_pending());
        if let Poll::Ready(Ok(mut length)) = polled {
            add(&this.tally.written, length as u64);
            for buffer in buffers {
                let sent = &buffer[..length.min(buffer.len())];
                this.sent.pass(sent, &this.tally);
                length -= sent.len();
            }
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
