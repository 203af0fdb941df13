//! A client's connection: hyper's request sender and connection future, polled together by the flow that
//! uses them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use http::Request;
use http_body_util::Empty;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use switchboard_http::Io;

use crate::lease::Lease;

/// The most fields of a response.
const MOST_FIELDS: usize = 1000;
/// The most bytes of a response's head.
const LONGEST_HEAD: usize = 512 * 1024;

/// A byte stream to a server: a socket, or TLS over one.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

type Driven = Connection<Io<Box<dyn ByteStream>>, Empty<Bytes>>;

pub(crate) struct ClientConnection {
    sender: SendRequest<Empty<Bytes>>,
    /// `None` once the connection has ended.
    driven: Option<Pin<Box<Driven>>>,
    /// Dropped last, when the descriptor is closed.
    _lease: Lease,
}

impl ClientConnection {
    pub(crate) async fn new(
        stream: Box<dyn ByteStream>,
        lease: Lease,
    ) -> hyper::Result<ClientConnection> {
        // What browsers read is read. A field that is none at all, such as one with a control byte, is left out.
        let (sender, driven) = Builder::new()
            .max_headers(MOST_FIELDS)
            .max_buf_size(LONGEST_HEAD)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(Io(stream))
            .await?;
        Ok(ClientConnection {
            sender,
            driven: Some(Box::pin(driven)),
            _lease: lease,
        })
    }

    /// Sends a request and waits for the response's head.
    pub(crate) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        let response = self.sender.send_request(request);
        drive(&mut self.driven, response).await
    }

    /// Waits for the body's next frame; `None` at its end.
    pub(crate) async fn frame(
        &mut self,
        body: &mut Incoming,
    ) -> Option<hyper::Result<Frame<Bytes>>> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        drive(&mut self.driven, frame).await
    }

    /// Waits until another request can be sent, after a response was read to its end; false if the
    /// connection has ended.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        let ready = self.sender.ready();
        drive(&mut self.driven, ready).await.is_ok() && self.driven.is_some()
    }

    /// Returns whether the connection is open still. Does not wait.
    pub(crate) async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            if let Some(driven) = &mut self.driven
                && driven.as_mut().poll(context).is_ready()
            {
                self.driven = None;
            }
            Poll::Ready(())
        })
        .await;
        self.driven.is_some() && !self.sender.is_closed()
    }
}

/// Polls `future` and the connection that it depends on until `future` completes.
async fn drive<F: Future>(driven: &mut Option<Pin<Box<Driven>>>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            let Some(connection) = driven else {
                return Poll::Pending;
            };
            if connection.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            // The connection has ended. hyper completes the future with the reason at its next poll.
            *driven = None;
        }
    })
    .await
}
