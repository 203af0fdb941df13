//! One connection to Redis: commands out, replies in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use redis_protocol::resp2::decode::decode;
pub use redis_protocol::resp2::types::{OwnedFrame as Reply, Resp2Frame};
use switchboard_net::Stream;
use switchboard_tls::{TlsClient, TlsStream};

use crate::url::RedisUrl;

/// A connection to a server: commands are queued and sent, replies come in the same order.
pub struct Wire {
    io: Io,
    received: Vec<u8>,
    /// How much of it is taken.
    taken: usize,
    /// Of this many bytes, `received` holds no whole reply.
    tried: usize,
    out: Vec<u8>,
    sent: usize,
    unflushed: bool,
}

enum Io {
    Plain(Stream),
    Tls(Box<TlsStream>),
}

/// The bytes of one read.
const READ: usize = 16 * 1024;

impl Wire {
    /// Connects, by TLS if the URL says so, and does not log in: see [`log_in`](crate::log_in).
    ///
    /// # Errors
    /// Those of the connection and of TLS.
    pub async fn connect(url: &RedisUrl) -> io::Result<Wire> {
        let stream = Stream::connect((&*url.host, url.port)).await?;
        stream.set_nodelay(true)?;
        let io = match url.is_tls {
            false => Io::Plain(stream),
            true => {
                let client = url.tls.clone().map_or_else(TlsClient::new, Ok)?;
                let host = url.host.trim_start_matches('[').trim_end_matches(']');
                Io::Tls(Box::new(client.connect(host, stream).await?))
            }
        };
        Ok(Wire {
            io,
            received: Vec::new(),
            taken: 0,
            tried: 0,
            out: Vec::new(),
            sent: 0,
            unflushed: false,
        })
    }

    /// Queues a command, which is sent by the next polls.
    pub fn send<P: AsRef<[u8]>>(&mut self, parts: impl ExactSizeIterator<Item = P>) {
        self.out.extend(format!("*{}\r\n", parts.len()).bytes());
        for part in parts {
            let part = part.as_ref();
            self.out.extend(format!("${}\r\n", part.len()).bytes());
            self.out.extend_from_slice(part);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Sends a command and waits for its reply, which may be an error of the server. No other command is under way.
    ///
    /// # Errors
    /// Those of the connection; `InvalidData` if what comes is no reply of Redis.
    pub async fn ask<P: AsRef<[u8]>>(&mut self, parts: &[P]) -> io::Result<Reply> {
        self.send(parts.iter());
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Sends what is queued, and waits for the next reply.
    ///
    /// # Errors
    /// As for [`ask`](Wire::ask).
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Reply>> {
        // Replies that came before the connection failed are taken first.
        let failed = match self.poll_flush(context) {
            Poll::Ready(Err(error)) => Some(error),
            _ => None,
        };
        loop {
            // A long reply is not looked at again for each of its parts.
            if self.received.len() - self.taken >= 2 * self.tried
                && let Some(reply) = self.next_reply()?
            {
                return Poll::Ready(Ok(reply));
            }
            let mut buffer = [0; READ];
            let Poll::Ready(length) = self.io.poll_read(context, &mut buffer) else {
                return match self.next_reply()? {
                    Some(reply) => Poll::Ready(Ok(reply)),
                    None => failed.map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
                };
            };
            let length = length?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.received.extend_from_slice(&buffer[..length]);
        }
    }

    fn next_reply(&mut self) -> io::Result<Option<Reply>> {
        let left = &self.received[self.taken..];
        if left.len() == self.tried {
            return Ok(None);
        }
        let decoded = decode(left).map_err(|_| {
            let shown: String = String::from_utf8_lossy(left).chars().take(40).collect();
            let text = format!("this is no Redis: it says `{}`", shown.escape_debug());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        Ok(match decoded {
            Some((reply, length)) => {
                self.taken += length;
                self.tried = 0;
                if self.taken == self.received.len() {
                    self.received.clear();
                    self.taken = 0;
                }
                Some(reply)
            }
            None => {
                self.received.drain(..self.taken);
                self.taken = 0;
                self.tried = self.received.len();
                None
            }
        })
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let sent = ready!(self.io.poll_write(context, &self.out[self.sent..]))?;
            self.sent += sent;
            self.unflushed = true;
        }
        self.out.clear();
        self.sent = 0;
        if self.unflushed {
            ready!(self.io.poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Io {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Io::Plain(stream) => stream.poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Io::Plain(stream) => stream.poll_send(context, bytes),
            Io::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Plain(_) => Poll::Ready(Ok(())),
            Io::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }
}
