//! The end of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_runtime::{self as runtime, Sleep};

use super::{CloseFrame, Phase, WebSocket, Wire};
use crate::{Role, Utf8Bytes, Violation};

impl<S: Wire> WebSocket<S> {
    /// Closes the connection: sends a close with `reason`, discards messages until the peer's close comes, and ends the
    /// connection, all within the limit of a close. If the peer has closed, only the end is waited for.
    ///
    /// The future may be dropped; then [`recv`](WebSocket::recv) goes on with it.
    ///
    /// # Errors
    /// Those of [`recv`](WebSocket::recv). The connection is closed all the same.
    pub async fn close(&mut self, reason: Option<CloseFrame>) -> io::Result<()> {
        self.start_close(reason);
        while self.recv().await?.is_some() {}
        Ok(())
    }

    /// Begins a [`close`](WebSocket::close) without waiting. [`poll_recv`](WebSocket::poll_recv) goes on with it, and
    /// returns what still comes before the peer's close.
    pub fn start_close(&mut self, reason: Option<CloseFrame>) {
        if self.phase == Phase::Open {
            self.out.reply(self.encoder.close(reason.as_ref()));
            self.phase = Phase::Closing;
        }
    }

    /// Closes the connection because of a violation.
    pub(super) fn fail(&mut self, violation: Violation) {
        if self.phase == Phase::Open {
            let code = violation.code();
            let reason = Utf8Bytes::from(violation.to_string());
            let frame = CloseFrame { code, reason };
            self.out.reply(self.encoder.close(Some(&frame)));
        }
        (self.phase, self.failed) = (Phase::Ending, Some(violation));
    }

    pub(super) fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = Duration::from_millis(self.close_limit.into());
        let sleep = || Box::new(runtime::sleep(limit));
        let deadline: &mut Sleep = self.deadline.get_or_insert_with(sleep);
        Pin::new(deadline).poll(context)
    }

    /// Sends what is left, ends the direction to a client, and discards input until the peer has ended its own. What
    /// fails has ended.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.input = None;
        if self.poll_deadline(context).is_ready() {
            self.cut();
            return self.over();
        }
        match self.out.poll(&mut self.wire, context) {
            Poll::Pending => {}
            Poll::Ready(Err(_)) => return self.over(),
            // A server ends first, so that the client's system need not remember the connection.
            Poll::Ready(Ok(())) if self.role == Role::Server => {
                match self.wire.poll_shutdown(context) {
                    Poll::Ready(Err(_)) => return self.over(),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            Poll::Ready(Ok(())) => {}
        }
        loop {
            match self.wire.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(chunk)) if !chunk.is_empty() => {}
                Poll::Ready(_) => return self.over(),
            }
        }
    }

    /// Ends both directions of the connection, although there may be clones of its stream.
    pub(super) fn cut(&self) {
        if let Some(socket) = self.wire.socket() {
            // Fails only if the connection is over.
            let _ = socket.shutdown();
        }
    }

    fn over(&mut self) -> Poll<()> {
        self.deadline = None;
        self.out.clear();
        Poll::Ready(())
    }
}
