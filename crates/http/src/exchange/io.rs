//! The bytes of a connection to a server.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::Bytes;
use switchboard_net::{Chunk, Stream};
use switchboard_tls::TlsStream;

use crate::server::transport::{Adapted, Transport};
use crate::upgrade::Upgraded;

/// The most bytes of one read. They are held while the reader of the answer is slow.
const PIECE: usize = 48 * 1024;

/// The bytes of a connection, plain or through TLS.
pub(super) enum Io {
    Plain(Stream),
    Tls(Box<Adapted<TlsStream>>),
}

impl Io {
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Io::Plain(stream) => stream.write_all(bytes).await,
            Io::Tls(stream) => stream.send_all(bytes).await,
        }
    }

    pub(super) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        match self {
            Io::Plain(stream) => stream.poll_recv_at_most(context, PIECE),
            Io::Tls(stream) => stream.poll_recv(context),
        }
    }

    pub(super) fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Io::Plain(stream) => stream.poll_send_vectored(context, buffers),
            Io::Tls(stream) => stream.poll_send_vectored(context, buffers),
        }
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Plain(_) => Poll::Ready(Ok(())),
            Io::Tls(stream) => stream.poll_flush(context),
        }
    }

    /// Leaves HTTP, with bytes that were received already.
    pub(super) fn upgraded(self, early: Bytes) -> Upgraded {
        match self {
            Io::Plain(stream) => stream.upgraded(early),
            Io::Tls(stream) => stream.upgraded(early),
        }
    }

    pub(super) fn any_socket(&self) -> Option<&Stream> {
        match self {
            Io::Plain(stream) => Some(stream),
            Io::Tls(stream) => Some(stream.0.socket()),
        }
    }
}

pub(super) fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
