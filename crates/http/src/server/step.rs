//! One step of a burst: a head is parsed, the handler is polled, and the head of its answer is written.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{Method, Response, StatusCode, Version};
use hyper::body::Body as HttpBody;
use switchboard_runtime as runtime;

use super::answer::{Answer, Asked};
use super::buffers::{Input, Output};
use super::feed::Feed;
use super::intake::request_body;
use super::wire::{Failure, Wire};
use crate::Request;
use crate::body::Body;
use crate::h1::encode::{BodyLength, Persistence, response_head};
use crate::h1::framing::Framing;
use crate::h1::head::parse_request;
use crate::h1::{Parsed, Refusal};
use crate::upgrade::{Continuation, take_continuation};

/// The most empty lines before a request.
const EMPTY_LINES: usize = 4;

const TOO_MANY_EMPTY_LINES: Refusal = Refusal::bad("more than 4 empty lines before a request");
const NO_ANSWER: Refusal = Refusal::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "a response of 1xx that is no upgrade the client asked for, or comes before the body is read",
);

/// A request that is being served.
pub(super) struct Exchange {
    pub(super) asked: Asked,
    /// The side that feeds the body, unless all of it has come.
    pub(super) feed: Option<Box<Feed>>,
}

/// Where a burst is.
pub(super) enum Step<B> {
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
pub(super) fn begin<T, F, B>(
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
pub(super) fn poll_handler<F, B, E>(
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
pub(super) fn answer<B>(
    mut exchange: Exchange,
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
    if let Some(feed) = &mut exchange.feed {
        feed.settle_interim(out.buffer());
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
