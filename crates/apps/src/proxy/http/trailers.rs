//! The body of a request whose trailers a back end gets as it gets fields.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use switchboard_http::{Body, ConnectionFields};

use super::fields::is_passed;

/// A body without the trailers that would not be passed on as fields.
struct Filtered {
    body: Body,
    is_trusted: bool,
}

/// Returns a body whose trailers are passed on as the fields of its sender are.
pub(super) fn filter(body: Body, is_trusted: bool) -> Body {
    // A body whose length is known is sent without trailers.
    match body.length() {
        Some(_) => body,
        None => Body::new(Filtered { body, is_trusted }),
    }
}

impl HttpBody for Filtered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let filtered = |frame: Frame<Bytes>| match frame.into_trailers() {
            Ok(trailers) => Frame::trailers(passed(&trailers, self.is_trusted)),
            Err(data) => data,
        };
        Poll::Ready(frame.map(|frame| frame.map(filtered)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn passed(trailers: &HeaderMap, is_trusted: bool) -> HeaderMap {
    let none_listed = ConnectionFields::default();
    let fields = trailers.iter();
    let passed = fields.filter(|(name, _)| is_passed(name, is_trusted, &none_listed));
    passed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
