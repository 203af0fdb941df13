//! A client's connection: hyper's two halves, polled together in the flow that uses them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use http::Request;
use http_body_util::Empty;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};

use crate::io::Io;

pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

type Conn = Connection<Io<Box<dyn Transport>>, Empty<Bytes>>;

pub(crate) struct Wire {
    sender: SendRequest<Empty<Bytes>>,
    /// None once it has ended.
    connection: Option<Pin<Box<Conn>>>,
}

impl Wire {
    pub(crate) async fn new(transport: Box<dyn Transport>) -> hyper::Result<Wire> {
        let (sender, connection) = handshake(Io(transport)).await?;
        Ok(Wire {
            sender,
            connection: Some(Box::pin(connection)),
        })
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        let answer = self.sender.send_request(request);
        drive(&mut self.connection, answer).await
    }

    /// The body's next frame; None at its end.
    pub(crate) async fn frame(
        &mut self,
        body: &mut Incoming,
    ) -> Option<hyper::Result<Frame<Bytes>>> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        drive(&mut self.connection, frame).await
    }

    /// Whether another request can be sent, after an answer was read to its end.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        let ready = self.sender.ready();
        drive(&mut self.connection, ready).await.is_ok() && self.connection.is_some()
    }

    /// Looks, without waiting, whether the peer has closed it meanwhile.
    pub(crate) async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(context).is_ready()
            {
                self.connection = None;
            }
            Poll::Ready(())
        })
        .await;
        self.connection.is_some() && !self.sender.is_closed()
    }
}

/// Polls `future`, and beside it the connection that it waits for.
async fn drive<F: Future>(connection: &mut Option<Pin<Box<Conn>>>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            let Some(conn) = connection else {
                return Poll::Pending;
            };
            if conn.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            // It has ended, well or not; the future is told by the other half.
            *connection = None;
        }
    })
    .await
}
