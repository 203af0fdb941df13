//! Futures of what a connection polls.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard_runtime::Direction;

use super::{WebSocket, Wire};

impl<S: Wire> WebSocket<S> {
    pub(super) fn operation<T, F>(&mut self, poll: F) -> Operation<'_, S, F>
    where
        F: FnMut(&mut WebSocket<S>, &mut Context<'_>) -> Poll<T>,
    {
        Operation {
            socket: self,
            poll,
            pending: false,
        }
    }
}

/// An operation, which ends its waits when it is dropped.
pub(super) struct Operation<'a, S: Wire, F> {
    socket: &'a mut WebSocket<S>,
    poll: F,
    pending: bool,
}

// The future pins none of its fields.
impl<S: Wire, F> Unpin for Operation<'_, S, F> {}

impl<T, S: Wire, F> Future for Operation<'_, S, F>
where
    F: FnMut(&mut WebSocket<S>, &mut Context<'_>) -> Poll<T>,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let polled = (this.poll)(this.socket, context);
        this.pending = polled.is_pending();
        polled
    }
}

impl<S: Wire, F> Drop for Operation<'_, S, F> {
    fn drop(&mut self) {
        if self.pending
            && let Some(socket) = self.socket.wire.socket()
        {
            socket.source().end_wait(Direction::Read);
            socket.source().end_wait(Direction::Write);
        }
    }
}
