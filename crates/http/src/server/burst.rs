//! The requests that a connection serves from the moment when bytes come to the moment when none are left.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicBool;
use std::task::Poll;

use bytes::Bytes;
use http::Response;
use hyper::body::Body as HttpBody;
use switchboard_net::Chunk;

use super::answer::{Answer, TOGETHER};
use super::buffers::{Input, Output};
use super::feed::{drive, finish};
use super::intake::more_of_head;
use super::refuse::refuse;
use super::step::{Exchange, Step, answer, begin, poll_handler};
use super::transport::Transport;
use super::wire::{Failure, Wire};
use crate::{Request, h2};

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
mod tests;
