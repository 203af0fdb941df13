//! Connections.

mod close;
mod operation;
mod out;
mod send;
mod wire;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use switchboard_net::Chunk;
use switchboard_runtime::Sleep;

use self::out::Out;
pub use self::wire::{ClientStream, Wire};
use crate::deflate::Agreed;
use crate::{CloseFrame, Decoder, Encoder, Message, Options, Role, Violation};

/// A WebSocket connection over a stream: a [`Stream`](switchboard_net::Stream), a
/// [`TlsStream`](switchboard_tls::TlsStream), what has [left HTTP](switchboard_http::Upgraded), or a
/// [`ClientStream`].
///
/// It answers pings and closes by itself, while it is received from or sent through. Futures of [`recv`](WebSocket::recv)
/// and [`send`](WebSocket::send) may be dropped at any moment: nothing that was received is lost, and a frame of which a
/// part was sent is remembered, and completed before anything else is sent. An idle connection holds no buffer. To
/// receive and send at once, poll [`poll_recv`](WebSocket::poll_recv) and [`poll_send`](WebSocket::poll_send) in one
/// future, or race `recv` against what is to be sent.
///
/// Dropping it closes the connection without a closing handshake.
///
/// ```
/// use switchboard_net::Stream;
/// use switchboard_runtime::{self as runtime, Model};
/// use switchboard_websocket::{Message, Options, Role, WebSocket};
///
/// let (here, there) = Stream::pair()?;
/// let options = Options::new();
/// let mut client = WebSocket::new(here, Role::Client, &options, None);
/// let mut server = WebSocket::new(there, Role::Server, &options, None);
/// Model::Tasks.run(async {
///     let serve = async {
///         while let Some(message) = server.recv().await? {
///             if let Message::Text(text) = message {
///                 server.send(text).await?;
///             }
///         }
///         std::io::Result::Ok(())
///     };
///     let ask = async {
///         client.send("hello").await?;
///         assert_eq!(client.recv().await?, Some(Message::Text("hello".into())));
///         client.close(None).await
///     };
///     let (served, asked) = runtime::join(serve, ask).await;
///     served.and(asked)
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct WebSocket<S> {
    wire: S,
    decoder: Decoder,
    encoder: Encoder,
    /// Received bytes that are not decoded yet, from `at` on.
    input: Option<Chunk>,
    at: u32,
    /// The limit of the closing handshake, in milliseconds.
    close_limit: u32,
    role: Role,
    phase: Phase,
    failed: Option<Violation>,
    out: Out,
    /// The subprotocol.
    protocol: Option<Arc<str>>,
    /// The end of the closing handshake.
    deadline: Option<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// This side has closed; the peer's close is waited for.
    Closing,
    /// Both have closed, or the peer has violated the protocol: the connection is ended.
    Ending,
    Ended,
}

impl<S: Wire> WebSocket<S> {
    /// Returns a connection whose handshake was made, and in which this end is `role`.
    pub fn new(stream: S, role: Role, options: &Options, agreed: Option<Agreed>) -> WebSocket<S> {
        WebSocket {
            wire: stream,
            decoder: Decoder::new(role, options.max_message, agreed),
            encoder: Encoder::new(role, options.compress_from, agreed),
            input: None,
            at: 0,
            close_limit: u32::try_from(options.close_limit.as_millis()).unwrap_or(u32::MAX),
            role,
            phase: Phase::Open,
            failed: None,
            out: Out::default(),
            protocol: None,
            deadline: None,
        }
    }

    /// Gives the connection bytes that were received behind the handshake.
    pub(crate) fn received(&mut self, early: &[u8]) {
        if !early.is_empty() {
            self.input = Some(Chunk::from(early));
        }
    }

    /// Waits for the next message or control frame. `None` once the connection has ended with a closing handshake.
    ///
    /// Pings and closes are answered already when they are returned. After a close, the next call ends the connection,
    /// for which it waits until the peer has, or for the limit of a close.
    ///
    /// # Errors
    /// `InvalidData` around a [`Violation`], after the connection was closed with its code; `UnexpectedEof` if the
    /// connection ends without a close; `TimedOut` if the peer does not answer a close within the limit; those of
    /// the stream's input, such as `ConnectionReset`. That an answer cannot be sent is none: the input goes on to its
    /// end.
    pub fn recv(&mut self) -> impl Future<Output = io::Result<Option<Message>>> {
        self.operation(WebSocket::poll_recv)
    }

    /// Polls for the next message, as [`recv`](WebSocket::recv) does.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Message>>> {
        let received = match self.phase {
            Phase::Open | Phase::Closing => self.poll_next(context),
            Phase::Ending => {
                ready!(self.poll_end(context));
                self.phase = Phase::Ended;
                Poll::Ready(match self.failed {
                    Some(violation) => Err(violation.into()),
                    None => Ok(None),
                })
            }
            Phase::Ended => Poll::Ready(Ok(None)),
        };
        if let Poll::Ready(Err(_)) = received {
            self.phase = Phase::Ended;
            self.input = None;
        }
        received
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Message>>> {
        if !self.out.is_empty() {
            // What waits for space is sent while the peer's messages are received. If it cannot be sent, what the
            // peer has sent before its end is received all the same.
            let _ = self.out.poll(&mut self.wire, context);
        }
        loop {
            match self.decode() {
                Ok(Some(message)) => {
                    self.react(&message);
                    let _ = self.out.poll(&mut self.wire, context);
                    return Poll::Ready(Ok(Some(message)));
                }
                Ok(None) => {}
                Err(violation) => {
                    self.fail(violation);
                    return self.poll_recv(context);
                }
            }
            if self.phase == Phase::Closing && self.poll_deadline(context).is_ready() {
                self.cut();
                let text = "the peer has not answered the close";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            let chunk = ready!(self.wire.poll_recv(context))?;
            if chunk.is_empty() {
                let text = "the connection has ended without a close";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
            }
            (self.input, self.at) = (Some(chunk), 0);
        }
    }

    /// Returns the next message of the bytes that were received; gives their buffer back after the last.
    fn decode(&mut self) -> Result<Option<Message>, Violation> {
        let Some(chunk) = &self.input else {
            return Ok(None);
        };
        let mut rest = &chunk[self.at as usize..];
        let decoded = self.decoder.decode(&mut rest);
        self.at = (chunk.len() - rest.len()) as u32;
        if rest.is_empty() {
            self.input = None;
        }
        decoded
    }

    /// Answers control frames.
    fn react(&mut self, message: &Message) {
        match message {
            Message::Ping(payload) if self.phase == Phase::Open => {
                self.out.reply(self.encoder.pong(payload));
            }
            Message::Close(frame) => {
                if self.phase == Phase::Open {
                    self.out.reply(self.encoder.close(frame.as_ref()));
                }
                self.phase = Phase::Ending;
            }
            _ => {}
        }
    }

    pub(crate) fn set_protocol(&mut self, protocol: Option<Arc<str>>) {
        self.protocol = protocol;
    }

    /// Returns the subprotocol that both sides have agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Returns the stream, for its addresses and options. Bytes that are read from it or written to it break the
    /// connection.
    pub fn stream(&self) -> &S {
        &self.wire
    }
}

impl<S: fmt::Debug> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocket({:?}, {:?})", self.wire, self.phase)
    }
}
