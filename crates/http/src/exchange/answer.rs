//! The body of an answer, which hands its connection back at its end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use switchboard_runtime::{self as runtime, Sleep};

use super::connection::ClientConnection;
use super::error::{ExchangeError, ExchangePhase};
use super::io::{Io, is_hang_up};
use super::pump::{Pump, PumpError};
use crate::h1::decode::{Decoded, Decoder};
use crate::server::buffers::Input;

/// An answer's body that has not come as a whole.
pub(super) struct AnswerBody<K: FnOnce(ClientConnection)> {
    /// `None` once the body has ended or failed.
    pub(super) io: Option<Io>,
    pub(super) input: Input,
    /// `None` for a body that ends with the connection.
    pub(super) decoder: Option<Decoder>,
    /// The rest of the request, if it has not been sent yet.
    pub(super) pump: Option<Box<Pump>>,
    /// What takes the connection back; `None` if it carries no further request.
    pub(super) keep: Option<K>,
    pub(super) idle: Duration,
    pub(super) timer: Option<Sleep>,
    /// What the pump had sent when the timer was armed.
    pub(super) moved: u64,
}

impl<K: FnOnce(ClientConnection)> AnswerBody<K> {
    /// Gives the connection back, or closes it.
    fn end(&mut self) {
        let is_clean = self.input.bytes().is_empty() && self.pump.is_none();
        if let (Some(io), Some(keep), true) = (self.io.take(), self.keep.take(), is_clean) {
            keep(ClientConnection { io });
        }
        self.timer = None;
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Frame<Bytes>>>> {
        loop {
            let Some(io) = &mut self.io else {
                return Poll::Ready(Ok(None));
            };
            let (framing, found) = match &mut self.decoder {
                Some(decoder) => decoder.decode(self.input.bytes()).map_err(|refusal| {
                    io::Error::new(io::ErrorKind::InvalidData, refusal.reason)
                })?,
                None => (
                    0,
                    match self.input.bytes().len() {
                        0 if self.input.ended => Decoded::End,
                        0 => Decoded::More,
                        length => Decoded::Data(length),
                    },
                ),
            };
            self.input.consume(framing);
            match found {
                Decoded::Data(length) => {
                    let data = self.input.take(length);
                    if self.decoder.as_ref().and_then(Decoder::left) == Some(0) {
                        self.end();
                    }
                    return Poll::Ready(Ok(Some(Frame::data(data))));
                }
                Decoded::Trailers(trailers) => {
                    self.end();
                    return Poll::Ready(Ok(Some(Frame::trailers(trailers))));
                }
                Decoded::End => {
                    self.end();
                    return Poll::Ready(Ok(None));
                }
                Decoded::More if self.input.ended => {
                    let text = "the connection has ended in the middle of an answer's body";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                Decoded::More => {}
            }
            if let Some(pump) = &mut self.pump {
                match pump.poll(io, context) {
                    Poll::Ready(sent) => {
                        match sent {
                            Ok(()) => {}
                            Err(PumpError::Body(error)) => return Poll::Ready(Err(of_body(error))),
                            // A server that wants no more of a body may answer to the end all the same.
                            Err(PumpError::Connection(error)) if is_hang_up(&error) => {
                                self.keep = None;
                            }
                            Err(PumpError::Connection(error)) => return Poll::Ready(Err(error)),
                        }
                        self.pump = None;
                        self.timer = None;
                    }
                    Poll::Pending => {}
                }
            }
            let Some(io) = &mut self.io else { continue };
            match io.poll_recv(context) {
                Poll::Ready(chunk) => {
                    let chunk = chunk?;
                    self.input.ended = chunk.is_empty();
                    if !self.input.ended {
                        let _ = self.input.push(chunk, usize::MAX);
                    }
                    self.timer = None;
                }
                Poll::Pending => {
                    self.input.release();
                    ready!(self.poll_timer(context));
                    let text = format!("no byte of an answer's body within {:?}", self.idle);
                    let error = io::Error::new(io::ErrorKind::TimedOut, text);
                    // The server may wait for the rest of the request, as an echo does.
                    let waits = self.pump.as_ref().is_some_and(|it| it.waits_for_body);
                    return Poll::Ready(Err(if waits { of_body(error) } else { error }));
                }
            }
        }
    }

    /// Completes once neither the answer's body nor the request's has moved for as long as they may.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sent = self.pump.as_ref().map_or(0, |pump| pump.moved);
        loop {
            let timer = self.timer.get_or_insert_with(|| {
                self.moved = sent;
                runtime::sleep(self.idle)
            });
            ready!(Pin::new(timer).poll(context));
            if self.moved == sent {
                return Poll::Ready(());
            }
            self.timer = None;
        }
    }
}

/// Returns the error of an answer whose request has failed, which says so to the caller.
fn of_body(error: io::Error) -> io::Error {
    let phase = ExchangePhase::Body;
    io::Error::new(error.kind(), ExchangeError { phase, error })
}

// Nothing is pinned in place.
impl<K: FnOnce(ClientConnection)> Unpin for AnswerBody<K> {}

impl<K: FnOnce(ClientConnection)> Body for AnswerBody<K> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = ready!(self.poll_next(context));
        if next.is_err() {
            self.io = None;
        }
        Poll::Ready(next.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.io.is_none() || self.decoder.as_ref().and_then(Decoder::left) == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.decoder.as_ref().and_then(Decoder::left);
        left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
