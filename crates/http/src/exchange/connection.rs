//! A connection to a server, and one request over it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use http::{Response, StatusCode};
use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Driver, Loop};
use switchboard_tls::TlsStream;

use super::answer::AnswerBody;
use super::error::{ExchangeError, ExchangePhase};
use super::io::Io;
use super::limits::ExchangeLimits;
use super::pump::Pump;
use super::request::RequestHead;
use super::waiting::Waiting;
use crate::Body;
use crate::h1::decode::Decoder;
use crate::h1::framing::Framing;
use crate::h1::response::ResponseHead;
use crate::server::buffers::Input;
use crate::server::transport::Adapted;

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
    /// the body of the answer before its end, closes the connection. An answer of 101 has the connection with it; see
    /// [`Upgraded::take`](crate::Upgraded::take).
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
            Some(0) => send_head(&mut io, head, limits)
                .await
                .map_err(failed(ExchangePhase::Send))?,
            _ => pump = Some(Box::new(Pump::new(head.bytes(), body))),
        }
        let mut input = Input::default();
        let (answer, is_cut) = {
            let mut waiting = Waiting::new(&mut io, &mut input, &mut pump);
            let answer = poll_fn(|context| waiting.poll(head.is_head(), limits, context)).await?;
            (answer, waiting.is_cut)
        };
        input.consume(answer.length);
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            return switch(io, input, pump.is_some() || is_cut, answer);
        }
        Ok(respond(io, input, pump, answer, limits, keep))
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientConnection({:?})", self.io.any_socket())
    }
}

/// Sends a request without a body.
async fn send_head(io: &mut Io, head: &RequestHead, limits: &ExchangeLimits) -> io::Result<()> {
    let sending = io.send(head.bytes());
    let late = |_| {
        let text = format!("not taken within {:?}", limits.first_byte);
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    };
    let sent = runtime::timeout(limits.first_byte, sending).await;
    sent.unwrap_or_else(late)
}

/// Returns the answer that ends HTTP, with the connection.
fn switch(
    io: Io,
    mut input: Input,
    is_unsent: bool,
    head: ResponseHead,
) -> Result<Response<Body>, ExchangeError> {
    if is_unsent {
        // What is left of the request would be taken for the other protocol.
        let text = "a switch of protocols before the end of the request";
        let error = io::Error::new(io::ErrorKind::InvalidData, text);
        let phase = ExchangePhase::Head;
        return Err(ExchangeError { phase, error });
    }
    let mut response = with_head(Body::empty(), head);
    io.upgraded(input.take(input.bytes().len()))
        .put_into(&mut response);
    Ok(response)
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
    let keeps_alive = head.keeps_alive && head.framing.is_some();
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
    with_head(body, head)
}

fn with_head(body: Body, head: ResponseHead) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.version_mut() = head.version;
    *response.headers_mut() = head.headers;
    response
}
