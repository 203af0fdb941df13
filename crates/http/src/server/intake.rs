//! What a request is made of: the rest of its head, and its body.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use http::StatusCode;
use switchboard_runtime::{self as runtime, Sleep};

use super::buffers::Input;
use super::connection::LAST_CHANCE;
use super::feed::{BODY_TOO_LARGE, Feed};
use super::pace::Phase;
use super::transport::Transport;
use super::wire::{Failure, Wire};
use crate::body::{Body, fed_body};
use crate::h1::Refusal;
use crate::h1::decode::Decoder;
use crate::h1::framing::Framing;
use crate::h1::head::RequestHead;

const HEAD_TOO_SLOW: Refusal = Refusal::new(
    StatusCode::REQUEST_TIMEOUT,
    "a request head that comes too slowly",
);
const HEAD_IS_CUT: Refusal = Refusal::bad("the end of input in the middle of a request's head");

/// Waits for the rest of a head; returns whether to go on.
pub(super) async fn more_of_head<T: Transport>(
    wire: &mut Wire<T>,
    input: &mut Input,
    stopping: &AtomicBool,
) -> Result<bool, Failure> {
    if input.ended {
        return Err(Failure::Refused(HEAD_IS_CUT, io::ErrorKind::Other));
    }
    input.release();
    // Armed once the server stops.
    let mut last_chance: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        loop {
            match wire.poll_input(input, context) {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(received) => return Poll::Ready(Ok(received?)),
                Poll::Pending => {
                    // A first request is answered although the server stops, however long it takes.
                    if wire.served > 0 && stopping.load(Ordering::Relaxed) {
                        let sleep = || Box::pin(runtime::sleep(LAST_CHANCE));
                        let sleep = last_chance.get_or_insert_with(sleep);
                        if sleep.as_mut().poll(context).is_ready() {
                            return Poll::Ready(Ok(false));
                        }
                    }
                    let late = wire.poll_pace(Phase::Head, context);
                    let kind = io::ErrorKind::TimedOut;
                    return late.map(|()| Err(Failure::Refused(HEAD_TOO_SLOW, kind)));
                }
            }
        }
    })
    .await
}

/// Returns a request's body, and the side that feeds it unless all of it has come.
pub(super) fn request_body<T>(
    wire: &mut Wire<T>,
    input: &mut Input,
    head: &RequestHead,
) -> Result<(Option<Box<Feed>>, Body), Failure> {
    match head.framing {
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
            let feed = Feed::new(feeder, decoder, head.expects_continue);
            Ok((Some(Box::new(feed)), Body::fed(body)))
        }
    }
}
