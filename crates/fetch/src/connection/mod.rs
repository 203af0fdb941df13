//! A client's connection: hyper's request sender and connection future, polled together by the flow that
//! uses them.

mod h2;
mod tap;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use http::Request;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use switchboard_http::Io;

use crate::lease::Lease;

use self::h2::{Driven2, Starter};
use self::tap::{Recorder, Tap};

/// The most fields of a response.
const MOST_FIELDS: usize = 1000;
/// The most bytes of a response's head.
const LONGEST_HEAD: usize = 512 * 1024;

/// A byte stream to a server: a socket, or TLS over one.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

pub(crate) struct ClientConnection {
    sender: Sender,
    /// `None` once the connection has ended.
    driven: Option<Driven>,
    recorder: Arc<Recorder>,
    peer: Option<SocketAddr>,
    /// Dropped last, when the descriptor is closed.
    _lease: Lease,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// The future of a connection.
enum Driven {
    One(Pin<Box<http1::Connection<Io<Tap>, Full<Bytes>>>>),
    Two(Box<Driven2>),
}

impl ClientConnection {
    /// Begins HTTP/1.
    pub(crate) async fn one(
        stream: Box<dyn ByteStream>,
        peer: Option<SocketAddr>,
        lease: Lease,
    ) -> hyper::Result<ClientConnection> {
        let (tap, recorder) = Tap::new(stream);
        // What browsers read is read. A field that is none at all, such as one with a control byte, is left out.
        let (sender, driven) = http1::Builder::new()
            .max_headers(MOST_FIELDS)
            .max_buf_size(LONGEST_HEAD)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(Io(tap))
            .await?;
        Ok(ClientConnection {
            sender: Sender::One(sender),
            driven: Some(Driven::One(Box::pin(driven))),
            recorder,
            peer,
            _lease: lease,
        })
    }

    /// Begins HTTP/2, which serves one request at a time too.
    pub(crate) async fn two(
        stream: Box<dyn ByteStream>,
        peer: Option<SocketAddr>,
        lease: Lease,
    ) -> hyper::Result<ClientConnection> {
        let (tap, recorder) = Tap::new(stream);
        let (starter, begun) = Starter::new();
        let (sender, driven) = http2::Builder::new(starter)
            .max_header_list_size(LONGEST_HEAD as u32)
            .handshake(Io(tap))
            .await?;
        Ok(ClientConnection {
            sender: Sender::Two(sender),
            driven: Some(Driven::Two(Box::new(Driven2::new(driven, begun)))),
            recorder,
            peer,
            _lease: lease,
        })
    }

    pub(crate) fn is_two(&self) -> bool {
        matches!(self.sender, Sender::Two(_))
    }

    /// Returns the address of the server, or of the proxy.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Sends a request and waits for the response's head.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => drive(&mut self.driven, sender.send_request(request)).await,
            Sender::Two(sender) => drive(&mut self.driven, sender.send_request(request)).await,
        }
    }

    /// Sends a request of HTTP/1, and returns also the bytes of both heads as they went.
    pub(crate) async fn send_recorded(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<(http::Response<Incoming>, Vec<u8>, Vec<u8>)> {
        self.recorder.begin();
        let response = self.send(request).await;
        let (sent, received) = self.recorder.end();
        Ok((response?, sent, received))
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
    /// connection has ended, or if the response came before the server had taken the request.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        // hyper would wait until the server takes the rest of the request, which may be never, or would send the next
        // request behind that rest.
        if !self.is_two() && self.recorder.is_full() {
            return false;
        }
        let ready = match &mut self.sender {
            Sender::One(sender) => drive(&mut self.driven, sender.ready()).await,
            Sender::Two(sender) => drive(&mut self.driven, sender.ready()).await,
        };
        ready.is_ok() && self.driven.is_some()
    }

    /// Returns whether the connection is open still. Does not wait.
    pub(crate) async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            if let Some(driven) = &mut self.driven
                && driven.poll(context).is_ready()
            {
                self.driven = None;
            }
            Poll::Ready(())
        })
        .await;
        let closed = match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        };
        self.driven.is_some() && !closed
    }
}

impl Driven {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            // The reason of its end is the result of the request.
            Driven::One(driven) => driven.as_mut().poll(context).map(drop),
            Driven::Two(driven) => driven.poll(context),
        }
    }
}

/// Polls `future` and the connection that it depends on until `future` completes.
async fn drive<F: Future>(driven: &mut Option<Driven>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            let Some(connection) = driven else {
                return Poll::Pending;
            };
            if connection.poll(context).is_pending() {
                return Poll::Pending;
            }
            // The connection has ended. hyper completes the future with the reason at its next poll.
            *driven = None;
        }
    })
    .await
}
