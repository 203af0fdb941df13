//! A connection to a server, and one request over it.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Response, StatusCode};
use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_net::{Chunk, Stream};
use switchboard_runtime::{self as runtime, Driver, Loop, Sleep};
use switchboard_tls::TlsStream;

use super::answer::AnswerBody;
use super::pump::{Pump, PumpError};
use super::request::RequestHead;
use crate::Body;
use crate::h1::Parsed;
use crate::h1::decode::Decoder;
use crate::h1::framing::Framing;
use crate::h1::response::{HEAD_BYTES, ResponseHead, parse_response};
use crate::server::buffers::Input;
use crate::server::transport::{Adapted, Transport};

/// How long one request may wait for the server.
///
/// ```
/// use switchboard_http::ExchangeLimits;
///
/// assert_eq!(ExchangeLimits::default().first_byte.as_secs(), 60);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// Time from the last byte that was sent to the end of the answer's head: 60 s. It does not run while the
    /// request's body is waited for, which is its source's to bound.
    pub first_byte: Duration,
    /// Time between two pieces of the answer's body, or of the request's while that goes on: 60 s.
    pub body_idle: Duration,
}

impl Default for ExchangeLimits {
    fn default() -> ExchangeLimits {
        ExchangeLimits {
            first_byte: Duration::from_secs(60),
            body_idle: Duration::from_secs(60),
        }
    }
}

/// What a request failed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangePhase {
    /// The body of the request, whose source has failed. The server is not to blame.
    Body,
    /// Sending the request.
    Send,
    /// Waiting for the first byte of the answer.
    FirstByte,
    /// The head of the answer.
    Head,
}

impl fmt::Display for ExchangePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExchangePhase::Body => "request body",
            ExchangePhase::Send => "send",
            ExchangePhase::FirstByte => "first byte",
            ExchangePhase::Head => "head",
        })
    }
}

/// A request that has no answer.
#[derive(Debug)]
pub struct ExchangeError {
    /// What it failed in. Bytes of an answer had come in the last phase only.
    pub phase: ExchangePhase,
    /// `TimedOut` for a limit, `UnexpectedEof` for a server that hung up, `InvalidData` for one that does not
    /// speak HTTP/1; the error of the request's body; others of the connection.
    pub error: io::Error,
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.error)
    }
}

impl std::error::Error for ExchangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A connection to an HTTP/1 server that carries one request at a time. One that waits for its next request holds
/// no buffer, and may be used on another thread.
///
/// ```
/// use http::Method;
/// use switchboard_http::{Body, ClientConnection, ExchangeLimits, RequestHead};
/// use switchboard_net::Stream;
/// use switchboard_runtime::{self as runtime, Model};
///
/// let (here, there) = Stream::pair()?;
/// let (kept, was_kept) = std::sync::mpsc::channel();
/// let text = Model::Tasks.run(async {
///     let mut head = RequestHead::new(&Method::GET, "/");
///     head.field("host", b"here");
///     let body = Body::empty();
///     head.finish(&body);
///     there.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await?;
///     let connection = ClientConnection::new(here);
///     let keep = move |connection| kept.send(connection).unwrap();
///     let limits = ExchangeLimits::default();
///     let answer = connection.send(&head, body, &limits, keep).await.unwrap();
///     answer.into_body().bytes(100).await
/// })??;
/// assert_eq!(&text[..], b"hello");
/// assert!(was_kept.recv().is_ok());
/// # std::io::Result::Ok(())
/// ```
pub struct ClientConnection {
    pub(super) io: Io,
}

impl ClientConnection {
    /// Returns a connection over a stream.
    pub fn new(stream: Stream) -> ClientConnection {
        ClientConnection {
            io: Io::Plain(stream),
        }
    }

    /// Returns a connection over TLS.
    pub fn over_tls(stream: TlsStream) -> ClientConnection {
        ClientConnection {
            io: Io::Tls(Box::new(Adapted(stream))),
        }
    }

    /// Returns whether a connection that has waited must not be used again: the server has closed it, or has sent
    /// something that nobody has asked for. Does not wait.
    pub async fn is_stale(&mut self) -> bool {
        // Under edge-triggered drivers a registration that no event has come for says so without a system call.
        let edges = Loop::with_current(|lp| {
            lp.is_some_and(|lp| matches!(lp.driver(), Driver::Epoll | Driver::Uring))
        });
        if runtime::is_on_loop() {
            let poll =
                |context: &mut Context<'_>| Poll::Ready(self.io.poll_recv(context).is_ready());
            let has_come = poll_fn(poll).await;
            if has_come || edges {
                return has_come;
            }
        }
        let Some(socket) = self.io.any_socket() else {
            return false;
        };
        let mut fds = [PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP)];
        rustix::event::poll(&mut fds, Some(&Timespec::default())) != Ok(0)
    }

    /// Sends a request, and waits for the head of its answer; interim ones are passed over. The body of the request
    /// is sent as it comes, also while the answer's body is read. Calls `keep` with the connection once the answer
    /// was read to its end, if it may carry another request. Waits in the flow's own way. Dropping the future, or
    /// the body of the answer before its end, closes the connection.
    ///
    /// # Errors
    /// See [`ExchangeError`]. The error of an answer's body has one inside if the body of the request has failed
    /// meanwhile.
    pub async fn send<K>(
        self,
        head: &RequestHead,
        body: Body,
        limits: &ExchangeLimits,
        keep: K,
    ) -> Result<Response<Body>, ExchangeError>
    where
        K: FnOnce(ClientConnection) + Send + 'static,
    {
        let mut io = self.io;
        let mut pump = None;
        let failed = |phase| move |error| ExchangeError { phase, error };
        match body.length() {
            Some(0) => io
                .send(head.bytes())
                .await
                .map_err(failed(ExchangePhase::Send))?,
            _ => pump = Some(Box::new(Pump::new(head.bytes(), body))),
        }
        let mut input = Input::new(Chunk::empty());
        let answer = {
            let mut waiting = Waiting {
                io: &mut io,
                input: &mut input,
                pump: &mut pump,
                timer: None,
                moved: 0,
                is_cut: false,
            };
            let mut answer =
                poll_fn(|context| waiting.poll(head.is_head(), limits, context)).await?;
            answer.keeps_alive &= !waiting.is_cut;
            answer
        };
        input.consume(answer.length);
        Ok(respond(io, input, pump, answer, limits, keep))
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientConnection({:?})", self.io.any_socket())
    }
}

/// Returns the answer, whose body may have come already.
fn respond<K>(
    io: Io,
    mut input: Input,
    pump: Option<Box<Pump>>,
    head: ResponseHead,
    limits: &ExchangeLimits,
    keep: K,
) -> Response<Body>
where
    K: FnOnce(ClientConnection) + Send + 'static,
{
    // What follows a switch of protocols is no HTTP.
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let keeps_alive = head.keeps_alive && head.framing.is_some() && !switches;
    let body = match head.framing {
        Some(Framing::Length(length)) if length <= input.bytes().len() as u64 && pump.is_none() => {
            let body = match length {
                0 => Body::empty(),
                length => Body::from(input.take(length as usize)),
            };
            if keeps_alive && input.bytes().is_empty() {
                drop(input);
                keep(ClientConnection { io });
            }
            body
        }
        framing => Body::new(AnswerBody {
            io: Some(io),
            input,
            decoder: framing.map(Decoder::new),
            pump,
            keep: keeps_alive.then_some(keep),
            idle: limits.body_idle,
            timer: None,
            moved: 0,
        }),
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.version_mut() = head.version;
    *response.headers_mut() = head.headers;
    response
}

/// A request on its way.
struct Waiting<'a> {
    io: &'a mut Io,
    input: &'a mut Input,
    pump: &'a mut Option<Box<Pump>>,
    timer: Option<Sleep>,
    /// What the pump had sent when the timer was armed.
    moved: u64,
    /// Whether the server has hung up before the end of the request.
    is_cut: bool,
}

impl Waiting<'_> {
    /// Sends the body, and waits for the head of the answer.
    fn poll(
        &mut self,
        head: bool,
        limits: &ExchangeLimits,
        context: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, ExchangeError>> {
        if let Some(pump) = self.pump {
            match pump.poll(self.io, context) {
                Poll::Ready(Ok(())) => {
                    *self.pump = None;
                    self.timer = None;
                }
                Poll::Ready(Err(PumpError::Body(error))) => {
                    return self.failed(ExchangePhase::Body, error);
                }
                // A server that refuses a body may have answered before it hung up.
                Poll::Ready(Err(PumpError::Connection(error))) if is_hang_up(&error) => {
                    *self.pump = None;
                    self.is_cut = true;
                }
                Poll::Ready(Err(PumpError::Connection(error))) => {
                    return self.failed(ExchangePhase::Send, error);
                }
                Poll::Pending => {}
            }
        }
        loop {
            match self.io.poll_recv(context) {
                Poll::Ready(Ok(chunk)) if chunk.is_empty() => {
                    let text = "the connection has ended before an answer";
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                    return self.failed(ExchangePhase::FirstByte, error);
                }
                Poll::Ready(Ok(chunk)) => {
                    if !self.input.push(chunk, HEAD_BYTES) {
                        continue;
                    }
                }
                Poll::Ready(Err(error)) => return self.failed(ExchangePhase::FirstByte, error),
                Poll::Pending => return self.poll_timer(limits, context),
            };
            // An interim answer may come together with the final one.
            loop {
                match parse_response(self.input.bytes(), head) {
                    Parsed::Partial => break,
                    Parsed::Complete(answer)
                        if answer.status.is_informational() && answer.status != 101 =>
                    {
                        self.input.consume(answer.length);
                    }
                    Parsed::Complete(answer) => return Poll::Ready(Ok(answer)),
                    Parsed::Refused(refusal) => {
                        let error = io::Error::new(io::ErrorKind::InvalidData, refusal.reason);
                        return self.failed(ExchangePhase::Head, error);
                    }
                }
            }
        }
    }

    fn poll_timer(
        &mut self,
        limits: &ExchangeLimits,
        context: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, ExchangeError>> {
        self.input.release();
        // The server owes no answer to a request whose rest is still to come.
        if self.pump.as_ref().is_some_and(|pump| pump.waits_for_body) {
            self.timer = None;
            return Poll::Pending;
        }
        let moved = self.pump.as_ref().map_or(0, |pump| pump.moved);
        loop {
            let timer = self.timer.get_or_insert_with(|| {
                self.moved = moved;
                runtime::sleep(limits.first_byte)
            });
            if Pin::new(timer).poll(context).is_pending() {
                return Poll::Pending;
            }
            if moved == self.moved {
                let text = format!("no answer within {:?}", limits.first_byte);
                let error = io::Error::new(io::ErrorKind::TimedOut, text);
                return self.failed(ExchangePhase::FirstByte, error);
            }
            self.timer = None;
        }
    }

    fn failed<T>(&self, phase: ExchangePhase, error: io::Error) -> Poll<Result<T, ExchangeError>> {
        let began = phase == ExchangePhase::FirstByte && !self.input.bytes().is_empty();
        let phase = if began { ExchangePhase::Head } else { phase };
        Poll::Ready(Err(ExchangeError { phase, error }))
    }
}

pub(super) fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// The bytes of a connection, plain or through TLS.
pub(super) enum Io {
    Plain(Stream),
    Tls(Box<Adapted<TlsStream>>),
}

impl Io {
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Io::Plain(stream) => stream.write_all(bytes).await,
            Io::Tls(stream) => stream.send_all(bytes).await,
        }
    }

    pub(super) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        match self {
            Io::Plain(stream) => stream.poll_recv(context),
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

    fn any_socket(&self) -> Option<&Stream> {
        match self {
            Io::Plain(stream) => Some(stream),
            Io::Tls(stream) => Some(stream.0.socket()),
        }
    }
}
