//! The body of a request, whose bytes must keep coming.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use switchboard_runtime::{self as runtime, Sleep};

use crate::server::ServerLimits;

/// Returns the fewest bytes that count as moving within `span`.
pub(super) fn least(limits: &ServerLimits, span: Duration) -> u64 {
    limits.min_rate.saturating_mul(span.as_secs()).max(1)
}

/// A body that fails if its handler waits and the client sends less than the least rate.
pub(super) struct Paced {
    body: Incoming,
    limits: Arc<ServerLimits>,
    /// Bytes so far.
    whole: u64,
    /// The timer, which stays armed; none before the first wait.
    look: Option<Sleep>,
    /// Bytes since the last look.
    bytes: u64,
    /// Whether the last poll found nothing.
    waits: bool,
}

impl Paced {
    pub(super) fn new(body: Incoming, limits: Arc<ServerLimits>) -> Paced {
        Paced {
            body,
            limits,
            whole: 0,
            look: None,
            bytes: 0,
            waits: false,
        }
    }

    /// Looks at what has come whenever the timer fires.
    fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let span = self.limits.body_idle;
        let look = self.look.get_or_insert_with(|| runtime::sleep(span));
        while Pin::new(&mut *look).poll(context).is_ready() {
            // A handler that was busy meanwhile has left the client no room to send.
            if self.waits && self.bytes < least(&self.limits, span) {
                let text = format!(
                    "the client sent {} bytes of its request in {span:?}",
                    self.bytes
                );
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            self.bytes = 0;
            look.reset(runtime::now() + span);
        }
        self.waits = true;
        Poll::Pending
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return self.poll_look(context).map(|error| Some(Err(error)));
        };
        self.waits = false;
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(1, |data| data.len() as u64);
            self.bytes += length;
            self.whole += length;
            if self.whole > self.limits.body_bytes {
                let text = format!("a body of more than {} bytes", self.limits.body_bytes);
                let error = io::Error::new(io::ErrorKind::FileTooLarge, text);
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
