//! The connection's side of a request's body: it reads, decodes, and hands over what the handler asks for.

use std::future::poll_fn;
use std::io::ErrorKind::TimedOut;
use std::io::{self, IoSlice};
use std::mem;
use std::task::{Context, Poll, ready};

use http::StatusCode;
use hyper::body::Frame;

use super::buffers::Input;
use super::pace::Phase;
use super::transport::Transport;
use super::wire::{Failure, Wire};
use crate::body::{Demand, Feeder};
use crate::h1::Refusal;
use crate::h1::decode::{Decoded, Decoder};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// The most bytes of a body that are read for nothing, so that the connection can go on.
const DISCARDED: u64 = 64 * 1024;

pub(super) const BODY_TOO_LARGE: Refusal = Refusal::new(
    StatusCode::PAYLOAD_TOO_LARGE,
    "a request body over the limit",
);
const BODY_TOO_SLOW: Refusal = Refusal::new(
    StatusCode::REQUEST_TIMEOUT,
    "a request body that comes too slowly",
);

/// The rest of a request's body.
pub(super) struct Feed {
    feeder: Feeder,
    decoder: Decoder,
    received: u64,
    /// What is left to be sent of the interim answer that the client waits for.
    interim: &'static [u8],
    /// Whether it has begun, and its end may be in the stream's own buffer.
    interim_unflushed: bool,
    /// Whether the reader was told of the end.
    ended: bool,
    /// Why the body is refused, once the handler has answered that in its own words.
    refused: Option<Failure>,
}

impl Feed {
    pub(super) fn new(feeder: Feeder, decoder: Decoder, expects_continue: bool) -> Feed {
        Feed {
            feeder,
            decoder,
            received: 0,
            interim: if expects_continue { CONTINUE } else { &[] },
            interim_unflushed: false,
            ended: false,
            refused: None,
        }
    }

    /// Takes why the body is refused, if the handler has answered after it has heard of that.
    pub(super) fn refused(&mut self) -> &mut Option<Failure> {
        &mut self.refused
    }

    /// Returns whether the next request follows what was read.
    pub(super) fn is_finished(&self) -> bool {
        self.refused.is_none() && (self.ended || self.decoder.left() == Some(0))
    }

    /// Returns whether the rest of the body is not worth reading.
    pub(super) fn is_long(&self) -> bool {
        let waits = self.interim.len() == CONTINUE.len();
        let is_open =
            !self.ended && (waits || self.decoder.left().is_some_and(|left| left > DISCARDED));
        is_open || self.refused.is_some()
    }

    /// Hands over what the reader waits for: completes when it has something, or does not wait.
    fn poll<T: Transport>(
        &mut self,
        wire: &mut Wire<T>,
        input: &mut Input,
        context: &mut Context<'_>,
    ) -> Poll<Result<Demand, Failure>> {
        if self.ended {
            return Poll::Ready(Ok(Demand::Never));
        }
        match self.feeder.demand(context) {
            Demand::Wanted => {}
            other => return Poll::Ready(Ok(other)),
        }
        let failure = match ready!(self.poll_next(wire, input, context)) {
            Ok(Some(frame)) => {
                self.feeder.give(Ok(frame), context);
                return Poll::Ready(Ok(Demand::Wanted));
            }
            Ok(None) => {
                self.ended = true;
                self.feeder.end(context);
                return Poll::Ready(Ok(Demand::Wanted));
            }
            Err(failure) => failure,
        };
        self.ended = true;
        match failure {
            Failure::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // The client that has cut its body may be answered.
                self.feeder.give(Err(error), context);
                Poll::Ready(Ok(Demand::Wanted))
            }
            Failure::Broken(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.feeder.give(Err(told), context);
                Poll::Ready(Err(Failure::Broken(error)))
            }
            Failure::Refused(refusal, kind) => {
                let told = io::Error::new(kind, refusal.reason);
                self.feeder.give(Err(told), context);
                Poll::Ready(Err(Failure::Refused(refusal, kind)))
            }
        }
    }

    /// Moves the rest of the interim answer to `out`, ahead of the final one, if it has begun or somebody may still read
    /// the body. What would be sent of it later would be within the final answer.
    pub(super) fn settle_interim(&mut self, out: &mut Vec<u8>) {
        let has_begun = self.interim.len() < CONTINUE.len();
        if has_begun || (!self.ended && self.feeder.has_reader()) {
            out.extend_from_slice(mem::take(&mut self.interim));
            self.interim_unflushed = false;
        }
    }

    /// Sends the rest of the interim answer.
    fn poll_interim<T: Transport>(
        &mut self,
        wire: &mut Wire<T>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let buffers = [IoSlice::new(self.interim)];
            let sent = ready!(wire.io.poll_send_vectored(context, &buffers))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim = &self.interim[sent..];
            self.interim_unflushed = true;
        }
        ready!(wire.io.poll_flush(context))?;
        self.interim_unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Reads the next frame; `None` at the end.
    fn poll_next<T: Transport>(
        &mut self,
        wire: &mut Wire<T>,
        input: &mut Input,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<bytes::Bytes>>, Failure>> {
        if self.interim_unflushed || (!self.interim.is_empty() && input.bytes().is_empty()) {
            match self.poll_interim(wire, context) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => {
                    let late = wire.poll_pace(Phase::Write, context);
                    return late.map(|()| Err(Failure::Refused(BODY_TOO_SLOW, TimedOut)));
                }
            }
        }
        loop {
            let (framing, found) = self
                .decoder
                .decode(input.bytes())
                .map_err(Failure::refused)?;
            input.consume(framing);
            match found {
                Decoded::Data(length) => {
                    self.received += length as u64;
                    if self.received > wire.limits.body_bytes {
                        let kind = io::ErrorKind::FileTooLarge;
                        return Poll::Ready(Err(Failure::Refused(BODY_TOO_LARGE, kind)));
                    }
                    return Poll::Ready(Ok(Some(Frame::data(input.take(length)))));
                }
                Decoded::Trailers(trailers) => {
                    return Poll::Ready(Ok(Some(Frame::trailers(trailers))));
                }
                Decoded::End => return Poll::Ready(Ok(None)),
                Decoded::More if input.ended => {
                    let text = "the client has ended in the middle of the request's body";
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                    return Poll::Ready(Err(error.into()));
                }
                Decoded::More => ready!(poll_more(wire, input, context))?,
            }
        }
    }
}

/// Receives more of a body.
fn poll_more<T: Transport>(
    wire: &mut Wire<T>,
    input: &mut Input,
    context: &mut Context<'_>,
) -> Poll<Result<(), Failure>> {
    let before = input.bytes().len();
    match wire.poll_input(input, context) {
        Poll::Ready(received) => {
            received?;
            wire.pace.received(input.bytes().len() - before);
            Poll::Ready(Ok(()))
        }
        Poll::Pending => {
            input.release();
            let late = wire.poll_pace(Phase::Body, context);
            late.map(|()| Err(Failure::Refused(BODY_TOO_SLOW, TimedOut)))
        }
    }
}

/// Waits for what `poll` polls, hands over the body that it asks for meanwhile, and watches whether the client
/// hangs up. `pending` says that it was polled just now. What is polled hears of a body that is refused, and may
/// complete with that.
pub(super) async fn drive<T: Transport, R>(
    wire: &mut Wire<T>,
    input: &mut Input,
    feed: &mut Option<Box<Feed>>,
    mut pending: bool,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> Result<R, Failure> {
    poll_fn(|context| {
        loop {
            if !std::mem::take(&mut pending)
                && let Poll::Ready(output) = poll(context)
            {
                wire.pace.end();
                return Poll::Ready(Ok(output));
            }
            let Some(feed) = feed else { break };
            match ready!(feed.poll(wire, input, context)) {
                Ok(Demand::Wanted) => {}
                Ok(Demand::Later | Demand::Never) => {
                    feed.feeder.wake_unpolled();
                    break;
                }
                Err(failure @ Failure::Refused(..)) => {
                    let Poll::Ready(output) = poll(context) else {
                        return Poll::Ready(Err(failure));
                    };
                    feed.refused = Some(failure);
                    return Poll::Ready(Ok(output));
                }
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
        input.release();
        wire.poll_hang_up(context)
            .map(|error| Err(Failure::Broken(error)))
    })
    .await
}

/// Reads the rest of a request's body after the answer, as long as another flow asks for it; if nobody does,
/// discards a little. Returns whether another request may follow.
pub(super) async fn finish<T: Transport>(
    wire: &mut Wire<T>,
    input: &mut Input,
    feed: &mut Feed,
) -> Result<bool, Failure> {
    let mut discarded = 0;
    poll_fn(|context| {
        loop {
            // Nothing below polls a reader.
            feed.feeder.wake_unpolled();
            if feed.is_finished() {
                return Poll::Ready(Ok(true));
            }
            match ready!(feed.poll(wire, input, context))? {
                Demand::Wanted => continue,
                Demand::Later => {
                    input.release();
                    return wire
                        .poll_hang_up(context)
                        .map(|error| Err(Failure::Broken(error)));
                }
                Demand::Never if feed.is_long() || discarded > DISCARDED => {
                    return Poll::Ready(Ok(false));
                }
                Demand::Never => {}
            }
            match ready!(feed.poll_next(wire, input, context)) {
                Ok(Some(frame)) => {
                    discarded += frame.data_ref().map_or(0, |data| data.len() as u64)
                }
                Ok(None) => feed.ended = true,
                Err(_) => return Poll::Ready(Ok(false)),
            }
        }
    })
    .await
}
