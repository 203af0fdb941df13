//! Connections.

mod close;
mod out;
mod wire;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::slice;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use switchboard_net::Chunk;
use switchboard_runtime::{Direction, Sleep};

use self::out::Out;
pub use self::wire::{ClientStream, Wire};
use crate::deflate::Agreed;
use crate::{CloseFrame, Decoder, Encoded, Encoder, Message, Options, Role, Violation};

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
    /// the stream, such as `ConnectionReset`.
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
            // What waits for space is sent while the peer's messages are received.
            let _ = self.out.poll(&mut self.wire, context)?;
        }
        loop {
            match self.decode() {
                Ok(Some(message)) => {
                    self.react(&message);
                    let _ = self.out.poll(&mut self.wire, context)?;
                    return Poll::Ready(Ok(Some(message)));
                }
                Ok(None) => {}
                Err(violation) => {
                    self.fail(violation);
                    return self.poll_recv(context);
                }
            }
            if self.phase == Phase::Closing && self.poll_deadline(context).is_ready() {
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

    /// Sends a message: a text, bytes, or an [`Encoded`] that others get too. Waits until all of it is in the hands of
    /// the system. If the future is dropped, the message is sent as a whole or not at all: what has begun is completed
    /// by the next operation.
    ///
    /// # Errors
    /// `BrokenPipe` once the connection is closed or closing; those of the stream.
    pub fn send(&mut self, message: impl Into<Encoded>) -> impl Future<Output = io::Result<()>> {
        let (message, mut is_taken) = (message.into(), false);
        self.operation(move |socket, context| {
            if !is_taken {
                ready!(socket.poll_send(context, slice::from_ref(&message)))?;
                is_taken = true;
            }
            socket.poll_flush(context)
        })
    }

    /// Sends messages, as many as there is space for with one system call. A dropped future has sent the first of them,
    /// each as a whole.
    ///
    /// # Errors
    /// Those of [`send`](WebSocket::send).
    pub fn send_all(&mut self, messages: &[Encoded]) -> impl Future<Output = io::Result<()>> {
        let mut rest = messages;
        self.operation(move |socket, context| {
            while !rest.is_empty() {
                let taken = ready!(socket.poll_send(context, rest))?;
                rest = &rest[taken..];
            }
            socket.poll_flush(context)
        })
    }

    /// Sends a ping, whose payload is cut after 125 bytes.
    ///
    /// # Errors
    /// Those of [`send`](WebSocket::send).
    pub fn ping(&mut self, payload: &[u8]) -> impl Future<Output = io::Result<()>> {
        let mut frame = Some(self.encoder.ping(payload));
        self.operation(move |socket, context| {
            if frame.is_some() {
                socket.check_open()?;
                ready!(socket.poll_flush(context))?;
                socket.out.frame(frame.take().unwrap_or_default());
            }
            socket.poll_flush(context)
        })
    }

    /// Polls until some of `messages`, in order and at least one, are taken, and returns their number. The last one taken
    /// may be sent by a part; [`poll_flush`](WebSocket::poll_flush) and every later operation send the rest. While that
    /// has not been sent, no message is taken, so at most one frame is held.
    ///
    /// # Errors
    /// Those of [`send`](WebSocket::send).
    pub fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        messages: &[Encoded],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        ready!(self.out.poll(&mut self.wire, context))?;
        let Some(first) = messages.first() else {
            return Poll::Ready(Ok(0));
        };
        if self.encoder.is_repeatable() {
            return self
                .out
                .poll_shared(&mut self.wire, context, &mut self.encoder, messages);
        }
        self.out.frame(self.encoder.encode(first));
        // Whether there is space or not, the message is taken.
        let _ = self.out.poll(&mut self.wire, context)?;
        Poll::Ready(Ok(1))
    }

    /// Polls until nothing is held that waits to be sent.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll(&mut self.wire, context)
    }

    fn check_open(&self) -> io::Result<()> {
        match self.phase {
            Phase::Open => Ok(()),
            _ => {
                let text = "the connection is closed";
                Err(io::Error::new(io::ErrorKind::BrokenPipe, text))
            }
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

    fn operation<T, F>(&mut self, poll: F) -> Operation<'_, S, F>
    where
        F: FnMut(&mut WebSocket<S>, &mut Context<'_>) -> Poll<T>,
    {
        Operation {
            socket: self,
            poll,
            pending: false,
        }
    }
}

/// An operation, which ends its waits when it is dropped.
struct Operation<'a, S: Wire, F> {
    socket: &'a mut WebSocket<S>,
    poll: F,
    pending: bool,
}

// The future pins none of its fields.
impl<S: Wire, F> Unpin for Operation<'_, S, F> {}

impl<T, S: Wire, F> Future for Operation<'_, S, F>
where
    F: FnMut(&mut WebSocket<S>, &mut Context<'_>) -> Poll<T>,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let polled = (this.poll)(this.socket, context);
        this.pending = polled.is_pending();
        polled
    }
}

impl<S: Wire, F> Drop for Operation<'_, S, F> {
    fn drop(&mut self) {
        if self.pending
            && let Some(socket) = self.socket.wire.socket()
        {
            socket.source().end_wait(Direction::Read);
            socket.source().end_wait(Direction::Write);
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocket({:?}, {:?})", self.wire, self.phase)
    }
}
