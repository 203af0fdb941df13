//! The body of an answer on its way to the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use switchboard_http::{Body, ExchangeError, ExchangePhase};

use crate::proxy::backend::Busy;
use crate::proxy::pool::Pool;

/// A body whose back end is busy until its end, when it has succeeded, and is to blame for its failure.
pub(super) struct Passing {
    body: Body,
    busy: Busy,
    pool: Arc<Pool>,
    has_ended: bool,
}

impl Passing {
    pub(super) fn new(body: Body, busy: Busy, pool: Arc<Pool>) -> Passing {
        Passing {
            body,
            busy,
            pool,
            has_ended: false,
        }
    }
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let backend = self.busy.backend();
        if let Some(Err(error)) = frame {
            if !is_of_client(&error) {
                self.pool.failed(backend, &error);
            }
            let text = format!("back end {backend}: body: {error}");
            return Poll::Ready(Some(Err(io::Error::new(error.kind(), text))));
        }
        if (frame.is_none() || self.body.is_end_stream()) && !self.has_ended {
            self.pool.succeeded(backend);
            self.has_ended = true;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns whether the answer was lost because the body of the request has failed.
fn is_of_client(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|it| it.downcast_ref());
    cause.is_some_and(|cause: &ExchangeError| cause.phase == ExchangePhase::Body)
}
