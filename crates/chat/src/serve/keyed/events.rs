//! The answer to `GET /events`: a stream of server-sent events.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use switchboard_runtime::{self as runtime, Sleep};

use super::close_json;
use super::connection::{Batch, Reader};

/// Milliseconds after which a client whose stream was cut comes back. Spread out, so that many do not come at once.
const RETRY: std::ops::Range<u32> = 500..1500;

/// The same after a stream that the server has ended so that the client acknowledges it.
const RETRY_AT_ONCE: u32 = 20;

/// How many comments a client is sent that acknowledges nothing, before its stream ends.
const UNACKNOWLEDGED: u32 = 4;

pub(super) struct Events {
    reader: Reader,
    ping: Duration,
    timer: Sleep,
    phase: Phase,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Beginning,
    Streaming,
    Over,
}

impl Events {
    pub(super) fn new(reader: Reader, ping: Duration) -> Events {
        Events {
            reader,
            ping,
            timer: runtime::sleep(ping),
            phase: Phase::Beginning,
        }
    }

    fn poll_text(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        match self.phase {
            Phase::Over => return Poll::Ready(None),
            Phase::Beginning => {
                // Sent at once, so that the client knows the stream to be open.
                self.phase = Phase::Streaming;
                let retry = fastrand::u32(RETRY);
                return Poll::Ready(Some(format!("retry: {retry}\n\n").into_bytes()));
            }
            Phase::Streaming => {}
        }
        if let Poll::Ready(batch) = self.reader.poll_next(context) {
            return Poll::Ready(Some(self.tell(&batch)));
        }
        if Pin::new(&mut self.timer).poll(context).is_pending() {
            return Poll::Pending;
        }
        let now = runtime::now();
        if self.reader.is_quiet(now, self.ping * UNACKNOWLEDGED) {
            return Poll::Ready(Some(self.renew()));
        }
        self.timer.reset(now + self.ping);
        Poll::Ready(Some(b":\n\n".to_vec()))
    }

    fn tell(&mut self, batch: &Batch) -> Vec<u8> {
        if batch.parcels.is_empty() && batch.end.is_none() {
            return self.renew();
        }
        let mut text = Vec::new();
        let first = self.reader.position + 1 - batch.parcels.len() as u64;
        for (number, parcel) in (first..).zip(&batch.parcels) {
            // JSON of one line. Writing to memory never fails.
            let _ = write!(text, "id: {number}\ndata: ");
            text.extend_from_slice(parcel.json());
            text.extend_from_slice(b"\n\n");
        }
        if let Some(bye) = batch.end {
            self.phase = Phase::Over;
            let _ = write!(text, "event: close\ndata: {}\n\n", close_json(bye));
        }
        text
    }

    /// Ends the stream; the client acknowledges what it has as it comes back.
    fn renew(&mut self) -> Vec<u8> {
        self.phase = Phase::Over;
        format!("retry: {RETRY_AT_ONCE}\n\n").into_bytes()
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = self.poll_text(context);
        text.map(|text| text.map(|text| Ok(Frame::data(text.into()))))
    }
}
