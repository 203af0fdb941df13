//! A connection's bytes, with its limits of time.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::Response;
use switchboard_net::{Chunk, Stream};
use switchboard_runtime as runtime;

use super::buffers::{Input, Output};
use super::limits::ServerLimits;
use super::pace::{Pace, Phase};
use super::transport::Transport;
use crate::body::{Body, FileRange};
use crate::h1::Refusal;
use crate::upgrade::Continuation;

/// The time that a connection waits for a refused client to close, so that no reset overtakes the answer.
const LINGER: Duration = Duration::from_secs(5);
/// The most buffers of one write.
const BUFFERS: usize = 16;

/// Why a connection ends early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client is told why, unless an answer has begun.
    Refused(Refusal, io::ErrorKind),
    Broken(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Broken(error)
    }
}

impl Failure {
    pub(super) fn refused(refusal: Refusal) -> Failure {
        Failure::Refused(refusal, io::ErrorKind::InvalidData)
    }

    /// Returns whether the answer has the status that a refused client gets.
    pub(super) fn is_said_by<B, E>(&self, answer: &Result<Response<B>, E>) -> bool {
        let Failure::Refused(refusal, _) = self else {
            return false;
        };
        answer
            .as_ref()
            .is_ok_and(|answer| answer.status() == refusal.status)
    }

    /// Returns the same failure once an answer has begun, so that the client is told nothing more.
    pub(super) fn after_an_answer(self) -> Failure {
        Failure::Broken(self.into_error())
    }

    pub(super) fn into_error(self) -> io::Error {
        match self {
            Failure::Refused(Refusal { status, reason }, kind) => {
                io::Error::new(kind, format!("{} {reason}", status.as_str()))
            }
            Failure::Broken(error) => error,
        }
    }
}

/// What all requests of a connection share.
pub(super) struct Wire<T> {
    pub(super) io: T,
    pub(super) pace: Pace,
    pub(super) limits: Arc<ServerLimits>,
    /// The requests so far.
    pub(super) served: u64,
    /// The empty lines since the last one.
    pub(super) empty_lines: usize,
    /// What follows HTTP.
    pub(super) continuation: Option<Continuation>,
}

impl<T: Transport> Wire<T> {
    pub(super) fn new(io: T, limits: Arc<ServerLimits>) -> Wire<T> {
        Wire {
            io,
            pace: Pace::new(),
            limits,
            served: 0,
            empty_lines: 0,
            continuation: None,
        }
    }

    /// Waits in `phase`; completes once that has taken too long.
    pub(super) fn poll_pace(&mut self, phase: Phase, context: &mut Context<'_>) -> Poll<()> {
        self.pace.poll(phase, &self.limits, context)
    }

    /// Receives into `input`; returns whether a head may be whole with what has come. The end of input is
    /// noted.
    pub(super) fn poll_input(
        &mut self,
        input: &mut Input,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let chunk: Chunk = ready!(self.io.poll_recv(context))?;
        if chunk.is_empty() {
            input.ended = true;
            return Poll::Ready(Ok(true));
        }
        Poll::Ready(Ok(input.push(chunk, self.limits.head_bytes)))
    }

    /// Sends what is in `out`, and gives its buffer back. A client that does not read holds no chunk of
    /// `input`, here and below.
    pub(super) async fn flush(&mut self, out: &mut Output, input: &mut Input) -> io::Result<()> {
        let bytes = out.bytes();
        if bytes.is_empty() {
            return Ok(());
        }
        let (pace, limits) = (&mut self.pace, &*self.limits);
        let sent = {
            let mut sending = self.io.send_all(bytes);
            poll_fn(|context| match Pin::new(&mut sending).poll(context) {
                Poll::Pending => {
                    input.release();
                    poll_late(|| None, pace, limits, context)
                }
                sent => sent,
            })
            .await
        };
        self.pace.sent(bytes.len());
        out.release();
        sent
    }

    /// Sends what is in `out`, then `data`, then `tail`, with as few system calls as they take.
    pub(super) async fn send_data(
        &mut self,
        out: &mut Output,
        data: &mut impl Buf,
        tail: &'static [u8],
        input: &mut Input,
    ) -> io::Result<()> {
        let (mut head, mut tail) = (out.bytes(), tail);
        let Wire {
            io, pace, limits, ..
        } = self;
        let sent = poll_fn(|context| {
            while !head.is_empty() || data.has_remaining() || !tail.is_empty() {
                let mut buffers = [IoSlice::new(&[]); BUFFERS];
                buffers[0] = IoSlice::new(head);
                let filled = 1 + data.chunks_vectored(&mut buffers[1..BUFFERS - 1]);
                buffers[filled] = IoSlice::new(tail);
                let whole: usize = buffers[1..filled].iter().map(|buffer| buffer.len()).sum();
                // The tail follows all of the data only.
                let used = filled + usize::from(whole == data.remaining());
                let mut sent = match io.poll_send_vectored(context, &buffers[..used]) {
                    Poll::Ready(sent) => sent?,
                    Poll::Pending => {
                        input.release();
                        return poll_late(|| io.unacknowledged(), pace, limits, context);
                    }
                };
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                pace.sent(sent);
                let of_head = sent.min(head.len());
                head = &head[of_head..];
                sent -= of_head;
                let of_data = sent.min(data.remaining());
                data.advance(of_data);
                tail = &tail[sent - of_data..];
            }
            match io.poll_flush(context) {
                Poll::Pending => {
                    input.release();
                    poll_late(|| io.unacknowledged(), pace, limits, context)
                }
                flushed => flushed,
            }
        });
        let sent = sent.await;
        out.release();
        sent
    }

    /// Sends what is in `out`, and then the file that `body` is, by the system where it can.
    pub(super) async fn send_file(
        &mut self,
        out: &mut Output,
        body: &mut Body,
        input: &mut Input,
    ) -> io::Result<()> {
        let mut head = out.bytes();
        let Wire {
            io, pace, limits, ..
        } = self;
        let sent = poll_fn(|context| {
            while !head.is_empty() {
                match io.poll_send_more(context, head) {
                    Poll::Ready(sent) => head = &head[sent?..],
                    Poll::Pending => {
                        input.release();
                        return poll_late(|| io.unacknowledged(), pace, limits, context);
                    }
                }
            }
            while let Some(FileRange { file, range }) = body.file_left()
                && !range.is_empty()
            {
                let sent = match io.poll_send_file(context, file, range) {
                    Poll::Ready(sent) => sent?,
                    Poll::Pending => {
                        input.release();
                        return poll_late(|| io.unacknowledged(), pace, limits, context);
                    }
                };
                let whole = range.is_empty();
                pace.sent(sent);
                body.count(sent, whole);
            }
            Poll::Ready(Ok(()))
        });
        let sent = sent.await;
        out.release();
        sent
    }

    /// Waits while a handler runs. Completes with an error once the client has hung up.
    pub(super) fn poll_hang_up(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        // A timer serves every driver; `select` for example does not report hang-ups.
        while self.io.socket().is_some() {
            ready!(self.poll_pace(Phase::Handler, context));
            if self.io.socket().is_some_and(Stream::is_hung_up) {
                let text = "the client hung up before it was answered";
                return Poll::Ready(io::Error::new(io::ErrorKind::ConnectionReset, text));
            }
        }
        Poll::Pending
    }

    /// Ends the direction to the client, and discards what it sends until it closes. What is unread when a
    /// socket closes would reset the connection, and the reset could overtake the answer.
    pub(super) async fn linger(&mut self) {
        let io = &mut self.io;
        let discard = poll_fn(|context| {
            if ready!(io.poll_shutdown(context)).is_err() {
                return Poll::Ready(());
            }
            loop {
                match ready!(io.poll_recv(context)) {
                    Ok(chunk) if !chunk.is_empty() => {}
                    _ => return Poll::Ready(()),
                }
            }
        });
        let _ = runtime::timeout(LINGER, discard).await;
    }
}

/// Waits for the client to take bytes of an answer.
fn poll_late(
    left: impl Fn() -> Option<usize>,
    pace: &mut Pace,
    limits: &ServerLimits,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let late = pace.poll_write(left, limits, context);
    late.map(|()| {
        let text = "the client takes its answer too slowly";
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}
