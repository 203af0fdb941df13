//! The body of an answer on its way to the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use switchboard_http::Body;

use crate::proxy::backend::Busy;
use crate::proxy::pool::Pool;

/// A body whose back end is busy until its end, and is to blame for its failure.
pub(super) struct Passing {
    body: Body,
    busy: Busy,
    pool: Arc<Pool>,
}

impl Passing {
    pub(super) fn new(body: Body, busy: Busy, pool: Arc<Pool>) -> Passing {
        Passing { body, busy, pool }
    }
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map_err(|error| {
            let backend = self.busy.backend();
            self.pool.failed(backend, &error);
            io::Error::new(error.kind(), format!("back end {backend}: body: {error}"))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
