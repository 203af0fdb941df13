//! The requests that a connection serves from the moment when bytes come to the moment when none are left.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use http::{Method, Response, StatusCode, Version};
use hyper::body::Body as HttpBody;
use switchboard_net::Chunk;
use switchboard_runtime as runtime;

use super::answer::{Answer, Asked};
use super::buffers::{Input, Output};
use super::feed::{BODY_TOO_LARGE, Feed, drive, finish};
use super::pace::Phase;
use super::transport::Transport;
use super::wire::{Failure, Wire};
use crate::Request;
use crate::body::{Body, fed_body};
use crate::h1::decode::Decoder;
use crate::h1::encode::{BodyLength, Persistence, response_head};
use crate::h1::framing::Framing;
use crate::h1::head::{RequestHead, parse_request};
use crate::h1::{Parsed, Refusal};

const HEAD_TOO_SLOW: Refusal = Refusal::new(
    StatusCode::REQUEST_TIMEOUT,
    "a request head that comes too slowly",
);
const HEAD_IS_CUT: Refusal = Refusal::bad("the end of input in the middle of a request's head");

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    KeepAlive,
    Close,
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
    loop {
        input.skip_empty_lines();
        if input.bytes().is_empty() {
            wire.flush(&mut out).await?;
            return Ok(match input.ended {
                true => After::Close,
                false => After::KeepAlive,
            });
        }
        let head = match parse_request(input.bytes(), &wire.limits.head()) {
            Parsed::Complete(head) => head,
            Parsed::Partial => {
                wire.flush(&mut out).await?;
                match more_of_head(wire, &mut input, stopping).await {
                    Ok(true) => continue,
                    Ok(false) => return Ok(After::Close),
                    Err(failure) => return refuse(wire, &mut out, failure).await,
                }
            }
            Parsed::Refused(refusal) => {
                let failure = Failure::refused(refusal);
                return refuse(wire, &mut out, failure).await;
            }
        };
        match serve_request(wire, handler, stopping, &mut input, &mut out, head).await {
            Ok(After::KeepAlive) => {}
            Ok(After::Close) => {
                wire.flush(&mut out).await?;
                if !input.bytes().is_empty() {
                    wire.linger().await;
                }
                return Ok(After::Close);
            }
            Err(failure) => return refuse(wire, &mut out, failure).await,
        }
    }
}

/// Waits for the rest of a head; returns whether to go on.
async fn more_of_head<T: Transport>(
    wire: &mut Wire<T>,
    input: &mut Input,
    stopping: &AtomicBool,
) -> Result<bool, Failure> {
    input.searched();
    input.release();
    poll_fn(|context| {
        while !input.ended {
            match wire.poll_input(input, context) {
                Poll::Ready(Ok(true)) if !input.ended => {
                    wire.pace.end();
                    return Poll::Ready(Ok(true));
                }
                Poll::Ready(received) => drop(received?),
                // A first request is answered although the server stops.
                Poll::Pending if wire.served > 0 && stopping.load(Ordering::Relaxed) => {
                    return Poll::Ready(Ok(false));
                }
                Poll::Pending => {
                    let late = wire.poll_pace(Phase::Head, context);
                    let kind = io::ErrorKind::TimedOut;
                    return late.map(|()| Err(Failure::Refused(HEAD_TOO_SLOW, kind)));
                }
            }
        }
        let kind = io::ErrorKind::Other;
        Poll::Ready(Err(Failure::Refused(HEAD_IS_CUT, kind)))
    })
    .await
}

/// Serves one request, whose head is the first of `input`.
#[cfg_attr(not(debug_assertions), inline(always))]
async fn serve_request<T, F, B, E>(
    wire: &mut Wire<T>,
    handler: &impl Fn(Request) -> F,
    stopping: &AtomicBool,
    input: &mut Input,
    out: &mut Output,
    head: RequestHead,
) -> Result<After, Failure>
where
    T: Transport,
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    input.consume(head.length);
    wire.served += 1;
    let asked = Asked {
        head: head.request.method() == Method::HEAD,
        old: head.request.version() == Version::HTTP_10,
        keeps_alive: head.keeps_alive && wire.served < wire.limits.requests,
    };
    let (mut feed, body) = request_body(wire, input, head.framing, head.expects_continue)?;
    let response = {
        let mut running = pin!(handler(head.request.map(|()| body)));
        let first = poll_fn(|context| Poll::Ready(running.as_mut().poll(context))).await;
        match first {
            Poll::Ready(response) => response,
            Poll::Pending => {
                // Earlier answers do not wait for this one.
                let pending = out.bytes().is_empty();
                wire.flush(out).await?;
                drive(wire, input, &mut feed, pending, |context| {
                    running.as_mut().poll(context)
                })
                .await?
            }
        }
    };
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            wire.flush(out).await?;
            return Err(io::Error::other(error).into());
        }
    };
    let ends = feed.as_ref().is_some_and(Feed::is_long) || stopping.load(Ordering::Relaxed);
    let answer = Answer::new(response, asked, ends, out.buffer());
    let keeps_alive = answer.send(wire, input, &mut feed, out).await?;
    let finished = match &mut feed {
        Some(feed) => {
            wire.flush(out).await?;
            finish(wire, input, feed).await?
        }
        None => true,
    };
    if !finished {
        wire.linger().await;
    }
    Ok(match keeps_alive && finished {
        true => After::KeepAlive,
        false => After::Close,
    })
}

/// Returns a request's body, and the side that feeds it unless all of it has come.
#[cfg_attr(not(debug_assertions), inline(always))]
fn request_body<T>(
    wire: &mut Wire<T>,
    input: &mut Input,
    framing: Framing,
    expects_continue: bool,
) -> Result<(Option<Feed>, Body), Failure> {
    match framing {
        Framing::Length(0) => Ok((None, Body::empty())),
        Framing::Length(length) if length > wire.limits.body_bytes => {
            let kind = io::ErrorKind::FileTooLarge;
            Err(Failure::Refused(BODY_TOO_LARGE, kind))
        }
        Framing::Length(length) if length <= input.bytes().len() as u64 => {
            Ok((None, Body::from(input.take(length as usize))))
        }
        framing => {
            wire.pace.reset_rates();
            let decoder = Decoder::new(framing);
            let (feeder, body) = fed_body(decoder.left());
            let feed = Feed::new(feeder, decoder, expects_continue);
            Ok((Some(feed), Body::fed(body)))
        }
    }
}

/// Tells the client why its connection ends, if an answer is due, and returns the error.
async fn refuse<T: Transport>(
    wire: &mut Wire<T>,
    out: &mut Output,
    failure: Failure,
) -> io::Result<After> {
    if let Failure::Refused(refusal, _) = &failure {
        error_answer(out.buffer(), refusal);
        wire.flush(out).await?;
        wire.linger().await;
    }
    Err(failure.into_error())
}

fn error_answer(out: &mut Vec<u8>, refusal: &Refusal) {
    let text = format!("{}\n", refusal.reason);
    let mut headers = http::HeaderMap::new();
    let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(http::header::CONTENT_TYPE, kind);
    let length = BodyLength::Exact(text.len() as u64);
    let now = runtime::now();
    response_head(
        out,
        refusal.status,
        &headers,
        length,
        Persistence::Close,
        now,
    );
    out.extend_from_slice(text.as_bytes());
}
