//! The time from the first byte of a request to the end of its answer's head.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard_runtime::{self as runtime, Sleep};

use super::error::{ExchangeError, ExchangePhase};
use super::io::{Io, is_hang_up};
use super::limits::ExchangeLimits;
use super::pump::{Pump, PumpError};
use crate::h1::Parsed;
use crate::h1::response::{HEAD_BYTES, ResponseHead, parse_response};
use crate::server::buffers::Input;

/// A request on its way.
pub(super) struct Waiting<'a> {
    io: &'a mut Io,
    input: &'a mut Input,
    pump: &'a mut Option<Box<Pump>>,
    timer: Option<Sleep>,
    /// What the pump had sent when the timer was armed.
    moved: u64,
    /// Whether the server has hung up before the end of the request.
    pub(super) is_cut: bool,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(
        io: &'a mut Io,
        input: &'a mut Input,
        pump: &'a mut Option<Box<Pump>>,
    ) -> Waiting<'a> {
        Waiting {
            io,
            input,
            pump,
            timer: None,
            moved: 0,
            is_cut: false,
        }
    }

    /// Sends the body, and waits for the head of the answer.
    pub(super) fn poll(
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
                    Parsed::Complete(mut answer) => {
                        answer.keeps_alive &= !self.is_cut;
                        return Poll::Ready(Ok(answer));
                    }
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
