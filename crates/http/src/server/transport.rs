//! What a connection's bytes go through: a socket, or any stream of bytes.

use std::any::Any;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use switchboard_net::{Chunk, Stream};
use switchboard_tls::TlsStream;

use crate::upgrade::Upgraded;

pub(crate) trait Transport: Sized {
    /// Receives bytes; an empty chunk is the end of input.
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>>;

    fn send_all<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Unpin + 'a;

    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sends some of `bytes`, which more bytes follow at once. Only a [socket](Transport::socket) does.
    fn poll_send_more(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Sends some of a file, and advances the start of `range`. Only a [socket](Transport::socket) does.
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &File,
        range: &mut Range<u64>,
    ) -> Poll<io::Result<usize>>;

    /// Ends the direction to the client.
    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns whether both sides have agreed on HTTP/2 before.
    fn has_agreed_on_http2(&self) -> bool;

    /// Leaves HTTP, with bytes that were received already.
    fn upgraded(self, early: Bytes) -> Upgraded;

    /// Returns the socket, if it tells that the client has hung up.
    fn socket(&self) -> Option<&Stream>;

    /// Returns how many bytes the client has not taken of those that were sent, if that is known.
    fn unacknowledged(&self) -> Option<usize>;
}

impl Transport for Stream {
    #[inline]
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        Stream::poll_recv(self, context)
    }

    #[inline]
    fn send_all<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Unpin + 'a {
        self.write_all(bytes)
    }

    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_send_vectored(self, context, buffers)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_send_more(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_send_more(self, context, bytes)
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &File,
        range: &mut Range<u64>,
    ) -> Poll<io::Result<usize>> {
        Stream::poll_send_file(self, context, file, range)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_close(context)
    }

    fn has_agreed_on_http2(&self) -> bool {
        false
    }

    fn upgraded(self, early: Bytes) -> Upgraded {
        Upgraded::of_socket(self, early)
    }

    fn socket(&self) -> Option<&Stream> {
        Some(self)
    }

    fn unacknowledged(&self) -> Option<usize> {
        Stream::unacknowledged(self).ok()
    }
}

/// The most bytes that one read of an adapted stream takes.
const PIECE: usize = 16 * 1024;

thread_local! {
    /// Receives bytes before they are copied to a chunk.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Receives bytes of a stream in a chunk.
pub(crate) fn poll_chunk(
    stream: Pin<&mut (impl AsyncRead + ?Sized)>,
    context: &mut Context<'_>,
) -> Poll<io::Result<Chunk>> {
    // The buffer is taken, because the stream's own read may come here again.
    let mut buffer = BUFFER.take();
    buffer.resize(PIECE, 0);
    let read = stream.poll_read(context, &mut buffer);
    let chunk = read.map_ok(|length| Chunk::from(&buffer[..length]));
    BUFFER.set(buffer);
    chunk
}

/// Any stream of bytes.
pub(crate) struct Adapted<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Adapted<S> {
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        poll_chunk(Pin::new(&mut self.0), context)
    }

    fn send_all<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Unpin + 'a {
        WriteAll {
            stream: &mut self.0,
            bytes,
        }
    }

    fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, buffers)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_send_more(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_send_file(
        &mut self,
        _: &mut Context<'_>,
        _: &File,
        _: &mut Range<u64>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }

    fn has_agreed_on_http2(&self) -> bool {
        let stream: &dyn Any = &self.0;
        let tls = stream.downcast_ref::<TlsStream>();
        tls.and_then(TlsStream::alpn) == Some(b"h2")
    }

    fn upgraded(self, early: Bytes) -> Upgraded {
        Upgraded::of_stream(self.0, early)
    }

    fn socket(&self) -> Option<&Stream> {
        None
    }

    fn unacknowledged(&self) -> Option<usize> {
        let stream: &dyn Any = &self.0;
        let tls = stream.downcast_ref::<TlsStream>()?;
        tls.socket().unacknowledged().ok()
    }
}

/// Writes all of some bytes, and flushes.
struct WriteAll<'a, S> {
    stream: &'a mut S,
    bytes: &'a [u8],
}

impl<S: AsyncWrite + Unpin> Future for WriteAll<'_, S> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.bytes.is_empty() {
            match ready!(Pin::new(&mut *this.stream).poll_write(context, this.bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => this.bytes = &this.bytes[written..],
            }
        }
        Pin::new(&mut *this.stream).poll_flush(context)
    }
}
