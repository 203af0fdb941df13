//! Sending.

use std::future::Future;
use std::io;
use std::slice;
use std::task::{Context, Poll, ready};

use super::{Phase, WebSocket, Wire};
use crate::Encoded;

impl<S: Wire> WebSocket<S> {
    /// Sends a message: a text, bytes, or an [`Encoded`] that others get too. Waits until all of it is in the hands of
    /// the system. If the future is dropped, the message is sent as a whole or not at all: what has begun is completed
    /// by the next operation.
    ///
    /// # Errors
    /// `BrokenPipe` once the connection is closed or closing; those of the stream.
    pub fn send(&mut self, message: impl Into<Encoded>) -> impl Future<Output = io::Result<()>> {
        let (message, mut is_taken) = (message.into(), false);
        self.operation(move |socket, context| {
            if !is_taken {
                ready!(socket.poll_send(context, slice::from_ref(&message)))?;
                is_taken = true;
            }
            socket.poll_flush(context)
        })
    }

    /// Sends messages, as many as there is space for with one system call. A dropped future has sent the first of them,
    /// each as a whole.
    ///
    /// # Errors
    /// Those of [`send`](WebSocket::send).
    pub fn send_all(&mut self, messages: &[Encoded]) -> impl Future<Output = io::Result<()>> {
        let mut rest = messages;
        self.operation(move |socket, context| {
            while !rest.is_empty() {
                let taken = ready!(socket.poll_send(context, rest))?;
                rest = &rest[taken..];
            }
            socket.poll_flush(context)
        })
    }

    /// Sends a ping, whose payload is cut after 125 bytes.
    ///
    /// # Errors
    /// Those of [`send`](WebSocket::send).
    pub fn ping(&mut self, payload: &[u8]) -> impl Future<Output = io::Result<()>> {
        let mut frame = Some(self.encoder.ping(payload));
        self.operation(move |socket, context| {
            if frame.is_some() {
                socket.check_open()?;
                ready!(socket.poll_flush(context))?;
                socket.out.frame(frame.take().unwrap_or_default());
            }
            socket.poll_flush(context)
        })
    }

    /// Polls until some of `messages`, in order and at least one, are taken, and returns their number. The last one taken
    /// may be sent by a part; [`poll_flush`](WebSocket::poll_flush) and every later operation send the rest. While that
    /// has not been sent, no message is taken, so at most one frame is held.
    ///
    /// # Errors
    /// Those of [`send`](WebSocket::send).
    pub fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        messages: &[impl AsRef<Encoded>],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        ready!(self.out.poll(&mut self.wire, context))?;
        let Some(first) = messages.first() else {
            return Poll::Ready(Ok(0));
        };
        if self.encoder.is_repeatable() {
            return self
                .out
                .poll_shared(&mut self.wire, context, &mut self.encoder, messages);
        }
        self.out.frame(self.encoder.encode(first.as_ref()));
        // Whether there is space or not, the message is taken.
        let _ = self.out.poll(&mut self.wire, context)?;
        Poll::Ready(Ok(1))
    }

    /// Polls until nothing is held that waits to be sent.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll(&mut self.wire, context)
    }

    fn check_open(&self) -> io::Result<()> {
        match self.phase {
            Phase::Open => Ok(()),
            _ => {
                let text = "the connection is closed";
                Err(io::Error::new(io::ErrorKind::BrokenPipe, text))
            }
        }
    }
}
