//! HTTP/2 on a connection of a server, by hyper.
//!
//! ```text
//!   serve          polls the connection and its streams, the stop and the watch
//!     socket       the bytes, counted
//!     frames       what they carry: a flood of frames that carry nothing ends the connection
//!     streams      hyper's executor: the requests that run, in this connection's flow
//!     head         what is refused before the handler
//!     paced        a request's body, which must keep coming
//!     tally        what the connection has done
//!     watch        the timer that looks at it
//! ```

mod frames;
mod head;
mod paced;
mod socket;
mod streams;
mod tally;
mod watch;

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Method, Response};
use http_body_util::Either;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use switchboard_net::Chunk;

use self::paced::Paced;
use self::socket::Socket;
use self::streams::{Starter, Streams};
use self::tally::{Running, Tally};
use self::watch::{Found, Watch};
use crate::Request;
use crate::body::Adapted;
use crate::io::Timer;
use crate::server::{ServerLimits, Transport};

/// The most bytes of a request's fields, each counted with 32 more.
const FIELDS: u32 = 16 * 1024;
/// Time between two pings, and time in which one must be answered.
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(20);
/// Bytes that may come for one request before its handler takes them.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes that may come for all requests of a connection before their handlers take them.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of one answer that wait in memory for the client before the next piece of its body is asked for.
const SEND_BUFFER: usize = 16 * 1024;
/// Requests that the client took back before they were looked at, after which the connection ends.
const PENDING_RESETS: usize = 20;
/// Streams that this side reset for a client's errors, after which the connection ends.
const ERROR_RESETS: usize = 100;

/// Returns whether the first bytes of a client are those of HTTP/2. No method of HTTP/1.1 begins so.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PRI ")
}

/// Serves HTTP/2 on a connection that begins with `first`, until the client closes it or `stop` completes, if
/// the server has not `stopped` already, and the last answer is sent.
pub(crate) async fn serve<T, F, B, E>(
    io: T,
    first: Chunk,
    handler: &impl Fn(Request) -> F,
    mut stop: Pin<&mut impl Future<Output = ()>>,
    mut stopped: bool,
    limits: Arc<ServerLimits>,
) -> io::Result<()>
where
    T: Transport + Unpin,
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let tally = Rc::new(Tally::default());
    let service = service_fn(|mut request: http::Request<Incoming>| {
        let running = Running::new(tally.clone());
        let is_head = request.method() == Method::HEAD;
        let checked = head::check(&mut request, &limits);
        let response = checked.map(|()| handler(request.map(|body| request_body(body, &limits))));
        async move {
            let mut response = match response {
                Ok(response) => match response.await {
                    Ok(response) => response.map(|body| Either::Left(Adapted { body })),
                    Err(error) => {
                        running.failed();
                        return Err(error);
                    }
                },
                Err(refusal) => head::answer(&refusal).map(Either::Right),
            };
            if head::has_no_body(&mut response, is_head) {
                *response.body_mut() = Either::Right(crate::Body::empty());
            }
            Ok(response.map(|body| running.answered(body)))
        }
    });
    let mut streams = Streams::new();
    let builder = builder(streams.starter(), &limits);
    let socket = Socket::new(io, first, tally.clone());
    let mut connection = pin!(builder.serve_connection(socket, service));
    let mut watch = Watch::new(&limits);
    // Whether the client has been told that the connection ends.
    let mut told = false;
    poll_fn(|context| {
        stopped = stopped || stop.as_mut().poll(context).is_ready();
        // What a stream has to send wakes the connection; a second round sends it within this poll.
        for _ in 0..2 {
            if let Poll::Ready(served) = connection.as_mut().poll(context) {
                return Poll::Ready(served.map_err(connection_error));
            }
            if !streams.poll(context) {
                break;
            }
        }
        let end = stopped || tally.requests.get() >= limits.requests;
        let mut idle = match watch.poll(streams.is_empty(), &tally, &limits, context) {
            Poll::Pending => false,
            Poll::Ready(Found::Idle) => true,
            Poll::Ready(Found::Unmoved) => return Poll::Ready(Ok(())),
            Poll::Ready(Found::Error(error)) => return Poll::Ready(Err(error)),
        };
        if (end || idle) && !told {
            (told, idle) = (true, true);
            connection.as_mut().graceful_shutdown();
            watch.close();
        }
        if idle {
            // Polls the connection once more, which sends the frame, and the watch, whose timer is another.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

fn builder<'a>(starter: Starter<'a>, limits: &ServerLimits) -> http2::Builder<Starter<'a>> {
    let fields = u32::try_from(limits.head_bytes).map_or(FIELDS, |bytes| bytes.min(FIELDS));
    let mut builder = http2::Builder::new(starter);
    builder
        .timer(Timer)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(fields)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    builder
}

fn request_body(body: Incoming, limits: &Arc<ServerLimits>) -> crate::Body {
    match body.is_end_stream() {
        true => crate::Body::empty(),
        false => crate::Body::new(Paced::new(body, limits.clone())),
    }
}

/// Returns hyper's error with its causes in words, of the kind of the stream's error if that is one of them.
fn connection_error(error: hyper::Error) -> io::Error {
    let (mut text, mut kind) = (error.to_string(), io::ErrorKind::Other);
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        if let Some(io) = deeper.downcast_ref::<io::Error>() {
            kind = io.kind();
        }
        cause = deeper.source();
    }
    io::Error::new(kind, text)
}
