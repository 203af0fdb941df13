//! What the bytes of a connection go through.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use switchboard_http::Upgraded;
use switchboard_net::{Chunk, Stream};
use switchboard_tls::TlsStream;

/// The most bytes that one read of a stream with TLS takes.
const PIECE: usize = 16 * 1024;

thread_local! {
    /// Receives bytes before they are copied to a chunk.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A stream that a [`WebSocket`](crate::WebSocket) can use. Its methods poll, and lose nothing if they are not polled
/// again.
pub trait Wire {
    /// Receives bytes; an empty chunk is the end of input.
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>>;

    /// Sends some of the buffers' bytes, and returns their number.
    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Waits until what was sent is in the hands of the system.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the direction to the peer.
    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns the socket underneath, if it is known.
    fn socket(&self) -> Option<&Stream>;
}

impl Wire for Stream {
    #[inline]
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        Stream::poll_recv(self, context)
    }

    #[inline]
    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match buffers {
            [buffer] => self.poll_send(context, buffer),
            _ => Stream::poll_send_vectored(self, context, buffers),
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_close(context)
    }

    fn socket(&self) -> Option<&Stream> {
        Some(self)
    }
}

impl Wire for TlsStream {
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        // The buffer is taken, because the stream's own read may come here again.
        let mut buffer = BUFFER.take();
        buffer.resize(PIECE, 0);
        let read = Pin::new(self).poll_read(context, &mut buffer);
        let chunk = read.map_ok(|length| Chunk::from(&buffer[..length]));
        BUFFER.set(buffer);
        chunk
    }

    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write_vectored(context, buffers)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(context)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_close(context)
    }

    fn socket(&self) -> Option<&Stream> {
        Some(TlsStream::socket(self))
    }
}

impl Wire for Upgraded {
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        Upgraded::poll_recv(self, context)
    }

    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match buffers {
            // The system takes one buffer for less than a list of one.
            [buffer] => Pin::new(self).poll_write(context, buffer),
            _ => Pin::new(self).poll_write_vectored(context, buffers),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(context)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_close(context)
    }

    fn socket(&self) -> Option<&Stream> {
        Upgraded::socket(self)
    }
}

/// The stream of a client, with TLS or without.
#[derive(Debug)]
pub enum ClientStream {
    /// Without TLS: `ws`.
    Plain(Stream),
    /// With TLS: `wss`.
    Tls(Box<TlsStream>),
}

macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            ClientStream::Plain($stream) => $call,
            ClientStream::Tls(stream) => {
                let $stream = &mut **stream;
                $call
            }
        }
    };
}

impl Wire for ClientStream {
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        either!(self, stream => Wire::poll_recv(stream, context))
    }

    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Wire::poll_send_vectored(stream, context, buffers))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Wire::poll_flush(stream, context))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Wire::poll_shutdown(stream, context))
    }

    fn socket(&self) -> Option<&Stream> {
        match self {
            ClientStream::Plain(stream) => Some(stream),
            ClientStream::Tls(stream) => Some(stream.socket()),
        }
    }
}
