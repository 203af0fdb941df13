//! The requests that a connection serves from the moment when bytes come to the moment when none are left.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Response, StatusCode, Version};
use hyper::body::Body as HttpBody;
use switchboard_net::Chunk;
use switchboard_runtime as runtime;

use super::answer::{Answer, Asked, TOGETHER};
use super::buffers::{Input, Output};
use super::feed::{Feed, drive, finish};
use super::intake::{more_of_head, request_body};
use super::refuse::refuse;
use super::transport::Transport;
use super::wire::{Failure, Wire};
use crate::body::Body;
use crate::h1::encode::{BodyLength, Persistence, response_head};
use crate::h1::framing::Framing;
use crate::h1::head::parse_request;
use crate::h1::{Parsed, Refusal};
use crate::upgrade::{Continuation, take_continuation};
use crate::{Request, h2};

/// The most empty lines before a request.
const EMPTY_LINES: usize = 4;

const TOO_MANY_EMPTY_LINES: Refusal = Refusal::bad("more than 4 empty lines before a request");
const NO_ANSWER: Refusal = Refusal::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "a response of 1xx that is no upgrade the client asked for, or comes before the body is read",
);

/// What becomes of the connection.
#[derive(Debug)]
pub(super) enum After {
    KeepAlive,
    Close,
    /// It leaves HTTP, and these bytes have come already.
    Upgrade(Bytes),
    /// It is one of HTTP/2, which begins with these bytes.
    Http2(Chunk),
}

/// Serves the requests that begin in `chunk`.
pub(super) async fn serve_burst<T, F, B, E>(
    wire: &mut Wire<T>,
    handler: &impl Fn(Request) -> F,
    stopping: &AtomicBool,
    chunk: Chunk,
) -> io::Result<After>
where
    T: Transport,
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut input = Input::new(chunk);
    let mut out = Output::default();
    let mut running = pin!(None);
    loop {
        // What is at hand is served without a wait between.
        let step = poll_fn(|context| {
            Poll::Ready(loop {
                let begun = begin(wire, handler, &mut input, running.as_mut());
                let step = match begun {
                    Step::Pending(exchange) => {
                        poll_handler(exchange, running.as_mut(), stopping, &mut out, context)
                    }
                    step => step,
                };
                match step {
                    Step::Answered(true) if out.bytes().len() < TOGETHER => {}
                    step => break step,
                }
            })
        })
        .await;
        let after = match step {
            Step::Answered(keeps_alive) => {
                wire.flush(&mut out, &mut input).await?;
                Ok(keeps_alive)
            }
            Step::Drained => {
                wire.flush(&mut out, &mut input).await?;
                return Ok(match input.ended {
                    true => After::Close,
                    false => After::KeepAlive,
                });
            }
            Step::Partial => {
                wire.flush(&mut out, &mut input).await?;
                match more_of_head(wire, &mut input, stopping).await {
                    // No answer is due.
                    Ok(false) => return Ok(After::Close),
                    // Its first bytes may begin a request as well.
                    Ok(true) if wire.served == 0 && h2::begins(input.bytes()) => {
                        return Ok(After::Http2(Chunk::from(input.bytes())));
                    }
                    more => more,
                }
            }
            Step::Refused(failure) => Err(failure),
            Step::Upgrade(continuation) => {
                wire.continuation = Some(continuation);
                wire.flush(&mut out, &mut input).await?;
                Ok(false)
            }
            // Apart, so that the space for it is there only while it is needed.
            Step::Pending(exchange) => {
                Box::pin(wait(
                    wire,
                    exchange,
                    running.as_mut(),
                    stopping,
                    &mut input,
                    &mut out,
                ))
                .await
            }
            Step::Send(exchange, answer) => {
                running.set(None);
                Box::pin(send(wire, exchange, answer, &mut input, &mut out)).await
            }
        };
        match after {
            Ok(true) => {}
            Ok(false) if wire.continuation.is_some() => {
                return Ok(After::Upgrade(input.take(input.bytes().len())));
            }
            Ok(false) => {
                if !input.bytes().is_empty() {
                    wire.linger().await;
                }
                return Ok(After::Close);
            }
            Err(failure) => return refuse(wire, &mut input, &mut out, failure).await,
        }
    }
}

/// A request that is being served.
struct Exchange {
    asked: Asked,
    /// The side that feeds the body, unless all of it has come.
    feed: Option<Box<Feed>>,
}

/// Where a burst is.
enum Step<B> {
    /// No bytes are left.
    Drained,
    /// A head has begun.
    Partial,
    Refused(Failure),
    /// The handler runs.
    Pending(Exchange),
    /// The head of an answer is in the output, and its body is to be sent.
    Send(Exchange, Answer<B>),
    /// The answer is in the output; whether the connection may go on.
    Answered(bool),
    /// The head is in the output, and the last of HTTP.
    Upgrade(Continuation),
}

/// Parses a request and calls the handler, whose future it puts into `running`.
#[cfg_attr(not(debug_assertions), inline(always))]
fn begin<T, F, B>(
    wire: &mut Wire<T>,
    handler: &impl Fn(Request) -> F,
    input: &mut Input,
    mut running: Pin<&mut Option<F>>,
) -> Step<B> {
    wire.empty_lines += input.skip_empty_lines();
    if wire.empty_lines > EMPTY_LINES {
        return Step::Refused(Failure::refused(TOO_MANY_EMPTY_LINES));
    }
    if input.bytes().is_empty() {
        return Step::Drained;
    }
    let mut request = Request::new(Body::empty());
    let head = match parse_request(input.bytes(), &wire.limits.head(), &mut request) {
        Parsed::Complete(head) => head,
        Parsed::Partial => return Step::Partial,
        Parsed::Refused(refusal) => return Step::Refused(Failure::refused(refusal)),
    };
    input.consume(head.length);
    wire.pace.end();
    wire.empty_lines = 0;
    wire.served += 1;
    let mut exchange = Exchange {
        asked: Asked {
            head: request.method() == Method::HEAD,
            old: request.version() == Version::HTTP_10,
            upgrades: head.upgrades,
            keeps_alive: head.keeps_alive && wire.served < wire.limits.requests,
        },
        feed: None,
    };
    if head.framing != Framing::Length(0) {
        match request_body(wire, input, &head) {
            Ok((feed, body)) => {
                exchange.feed = feed;
                *request.body_mut() = body;
            }
            Err(failure) => return Step::Refused(failure),
        }
    }
    running.set(Some(handler(request)));
    Step::Pending(exchange)
}

/// Polls the handler; writes its answer to `out`, at least the head.
#[cfg_attr(not(debug_assertions), inline(always))]
fn poll_handler<F, B, E>(
    exchange: Exchange,
    mut running: Pin<&mut Option<F>>,
    stopping: &AtomicBool,
    out: &mut Output,
    context: &mut Context<'_>,
) -> Step<B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let Some(future) = running.as_mut().as_pin_mut() else {
        unreachable!("the handler was called")
    };
    let Poll::Ready(response) = future.poll(context) else {
        return Step::Pending(exchange);
    };
    running.set(None);
    match response {
        Ok(response) => answer(exchange, response, stopping, out),
        Err(error) => Step::Refused(io::Error::other(error).into()),
    }
}

/// Writes an answer to `out`, at least the head.
#[cfg_attr(not(debug_assertions), inline(always))]
fn answer<B>(
    exchange: Exchange,
    mut response: Response<B>,
    stopping: &AtomicBool,
    out: &mut Output,
) -> Step<B>
where
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    if response.status().is_informational() {
        return upgrade(&exchange, &mut response, out);
    }
    let long = exchange.feed.as_ref().is_some_and(|feed| feed.is_long());
    let ends = long || stopping.load(Ordering::Relaxed);
    let answer = Answer::new(response, exchange.asked, ends, out.buffer());
    match (answer.is_sent(), &exchange.feed) {
        (true, None) => Step::Answered(answer.keeps_alive()),
        _ => Step::Send(exchange, answer),
    }
}

/// Writes the head that ends HTTP on the connection. No other answer of 1xx is one: the client would wait for
/// the next, and take that of another request. What is left of the request's body is not of the other protocol.
#[cold]
fn upgrade<B>(exchange: &Exchange, response: &mut Response<B>, out: &mut Output) -> Step<B> {
    let status = response.status();
    let is_read = exchange.feed.as_ref().is_none_or(|feed| feed.is_finished());
    let may = exchange.asked.upgrades && is_read && status == StatusCode::SWITCHING_PROTOCOLS;
    match take_continuation(response) {
        Some(continuation) if may => {
            let headers = response.headers();
            let length = BodyLength::Nothing;
            let now = runtime::now();
            response_head(
                out.buffer(),
                status,
                headers,
                length,
                Persistence::Upgrade,
                now,
            );
            Step::Upgrade(continuation)
        }
        _ => Step::Refused(Failure::Refused(NO_ANSWER, io::ErrorKind::Other)),
    }
}

/// Waits for the handler, which is pending, and sends its answer. Returns whether the connection may go on.
async fn wait<T, F, B, E>(
    wire: &mut Wire<T>,
    mut exchange: Exchange,
    mut running: Pin<&mut Option<F>>,
    stopping: &AtomicBool,
    input: &mut Input,
    out: &mut Output,
) -> Result<bool, Failure>
where
    T: Transport,
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    // Earlier answers do not wait for this one.
    let pending = out.bytes().is_empty();
    wire.flush(out, input).await?;
    let response = drive(
        wire,
        input,
        &mut exchange.feed,
        pending,
        |context| match running.as_mut().as_pin_mut() {
            Some(future) => future.poll(context),
            None => unreachable!("the handler was called"),
        },
    );
    let response = response.await?;
    running.set(None);
    // An answer that says something else than the limit's is not sent.
    if let Some(refused) = exchange.feed.as_mut().map(|feed| feed.refused())
        && let Some(failure) = refused.take_if(|it| !it.is_said_by(&response))
    {
        return Err(failure);
    }
    let response = response.map_err(io::Error::other)?;
    match answer(exchange, response, stopping, out) {
        Step::Answered(keeps_alive) => {
            wire.flush(out, input).await?;
            Ok(keeps_alive)
        }
        Step::Send(exchange, answer) => send(wire, exchange, answer, input, out).await,
        Step::Upgrade(continuation) => {
            wire.continuation = Some(continuation);
            wire.flush(out, input).await?;
            Ok(false)
        }
        Step::Refused(failure) => Err(failure),
        Step::Drained | Step::Partial | Step::Pending(_) => {
            unreachable!("an answer was written")
        }
    }
}

/// Sends an answer whose head is in `out`, and reads the rest of the request. Returns whether the connection
/// may go on.
async fn send<T, B>(
    wire: &mut Wire<T>,
    exchange: Exchange,
    answer: Answer<B>,
    input: &mut Input,
    out: &mut Output,
) -> Result<bool, Failure>
where
    T: Transport,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut feed = exchange.feed;
    let sent = answer.send(wire, input, &mut feed, out).await;
    let keeps_alive = sent.map_err(Failure::after_an_answer)?;
    wire.flush(out, input).await?;
    if let Some(feed) = &mut feed {
        match finish(wire, input, feed).await {
            Ok(true) => {}
            // What is unread must not reset the connection before the client has its answer.
            Ok(false) => {
                wire.linger().await;
                return match feed.refused().take() {
                    Some(failure) => Err(failure.after_an_answer()),
                    None => Ok(false),
                };
            }
            Err(failure) => {
                wire.linger().await;
                return Err(failure.after_an_answer());
            }
        }
    }
    Ok(keeps_alive)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use switchboard_net::Stream;
    use switchboard_runtime::{Driver, Model};

    use super::*;

    /// A client asks for `path` many times and reads nothing.
    async fn stall(path: &str) {
        let (mut client, server) = UnixStream::pair().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        client.write_all(request.repeat(500).as_bytes()).unwrap();
        let server = Stream::from(server);
        let chunk = server.recv().await.unwrap();
        let (buffer, limits) = (chunk.as_ptr(), super::super::ServerLimits::shared());
        let mut wire = Wire::new(server, limits);
        let handler = |request: Request| async move {
            let body = match request.uri().path() {
                "/small" => Body::from(vec![0; 4_000]),
                "/streamed" => Body::new(http_body_util::Full::new(Bytes::from(vec![0; 8 << 20]))),
                _ => {
                    // A large file that is there.
                    let file = std::fs::File::open(std::env::current_exe()?)?;
                    let length = file.metadata()?.len();
                    Body::file(file, 0..length)
                }
            };
            io::Result::Ok(Response::new(body))
        };
        let stopping = AtomicBool::new(false);
        let mut burst = pin!(serve_burst(&mut wire, &handler, &stopping, chunk));
        poll_fn(|context| {
            assert!(burst.as_mut().poll(context).is_pending());
            // The pool of the thread gives the buffer that came last.
            assert_eq!(Chunk::empty().as_ptr(), buffer, "{path}");
            Poll::Ready(())
        })
        .await;
    }

    #[test]
    fn a_client_that_does_not_read_holds_no_chunk() {
        for path in ["/small", "/streamed", "/file"] {
            Model::Tasks.run_with(Driver::Poll, stall(path)).unwrap();
        }
    }
}
