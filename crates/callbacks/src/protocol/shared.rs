//! The part of a connection that its protocol's transport and its own future share.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, Waker};

use switchboard_net::{Chunk, Stream};
use switchboard_runtime::{self as runtime, Post};

use super::state::{Buffer, Receiving, Sending, State};
use super::write_buffer::{HIGH, LOW, WriteBuffer};

/// The stream of a connection, its state and its write buffer.
///
/// Every connection has one, so it is small: cells without a borrow count. A cell that is taken is put
/// back before anything else can look at it.
pub(super) struct Shared {
    /// `None` once the connection is lost.
    pub(super) stream: Cell<Option<Stream>>,
    /// `None` while it would be [like new](WriteBuffer::is_like_new).
    buffer: Cell<Option<Box<WriteBuffer>>>,
    /// The last bytes that were posted, unless they are known to be sent. Those of the buffer follow.
    pub(super) post: Cell<Option<Post>>,
    /// The waker of the connection's flow; `None` before its first poll and after its end.
    waker: Cell<Option<Waker>>,
    pub(super) state: State,
}

/// The next callback of the protocol.
pub(super) enum Next {
    Data(Chunk),
    Eof,
    PauseWriting,
    ResumeWriting,
    Lost(Option<io::Error>),
    /// None, before the flow is woken.
    Pending,
}

impl Shared {
    pub(super) fn new(stream: Stream) -> Shared {
        Shared {
            stream: Cell::new(Some(stream)),
            buffer: Cell::default(),
            post: Cell::default(),
            waker: Cell::default(),
            state: State::default(),
        }
    }

    /// Calls `f` with the stream; fails with `NotConnected` once the connection is lost.
    pub(super) fn with_stream<T>(&self, f: impl FnOnce(&Stream) -> io::Result<T>) -> io::Result<T> {
        let Some(stream) = self.stream.take() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let result = f(&stream);
        self.stream.set(Some(stream));
        result
    }

    /// Begins a poll of the connection: `waker` is the one to wake from now on.
    pub(super) fn begin_poll(&self, waker: &Waker) {
        let kept = self.waker.take().filter(|kept| kept.will_wake(waker));
        self.waker.set(kept.or_else(|| Some(waker.clone())));
        self.state.is_polled.set(true);
    }

    /// Ends a poll of the connection.
    pub(super) fn end_poll(&self) {
        self.state.is_polled.set(false);
    }

    /// Changes the state, and wakes the connection to act on that.
    pub(super) fn change(&self, f: impl FnOnce(&State)) {
        f(&self.state);
        self.wake();
    }

    /// Wakes the connection's flow, unless the connection is in its poll.
    fn wake(&self) {
        if !self.state.is_polled.get() {
            self.with_waker(Waker::wake_by_ref);
        }
    }

    fn with_waker<T>(&self, f: impl FnOnce(&Waker) -> T) -> T {
        let kept = self.waker.take();
        let result = f(kept.as_ref().unwrap_or(Waker::noop()));
        self.waker.set(kept);
        result
    }

    pub(super) fn with_buffer<T>(&self, f: impl FnOnce(&mut WriteBuffer) -> T) -> T {
        let mut buffer = self.buffer.take().unwrap_or_default();
        let result = f(&mut buffer);
        self.buffer
            .set(Some(buffer).filter(|buffer| !buffer.is_like_new()));
        result
    }

    /// Returns how many bytes wait to be sent.
    pub(super) fn buffered(&self) -> usize {
        match self.state.buffer.get() {
            Buffer::Empty => 0,
            _ => self.with_buffer(|buffer| buffer.len()),
        }
    }

    /// Returns the water marks, the high one first.
    pub(super) fn marks(&self) -> (usize, usize) {
        let buffer = self.buffer.take();
        let marks = buffer.as_ref().map_or((HIGH, LOW), |buffer| buffer.marks());
        self.buffer.set(buffer);
        marks
    }

    /// Sets the water marks, and wakes the connection to act on them.
    pub(super) fn set_marks(&self, high: usize, low: usize) {
        self.with_buffer(|buffer| buffer.set_marks(high, low));
        self.wake();
    }

    /// Sends `bytes`, or as many as the socket takes, and buffers the rest.
    pub(super) fn write(&self, bytes: &[u8]) {
        if self.state.sending.get() != Sending::Open || bytes.is_empty() {
            return;
        }
        match self.send_now(bytes) {
            Ok(sent) if sent == bytes.len() => {}
            sent => self.keep(sent, bytes),
        }
    }

    /// Buffers what a send left.
    #[cold]
    pub(super) fn keep(&self, sent: io::Result<usize>, bytes: &[u8]) {
        self.with_buffer(|buffer| buffer.add(sent, bytes));
        if self.state.buffer.get() == Buffer::Empty {
            self.state.buffer.set(Buffer::Filled);
        }
        self.wake();
    }

    /// Sends as many of `bytes` as the socket takes, or has them sent as this turn ends; none if others wait
    /// already.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.state.buffer.get() != Buffer::Empty {
            return Ok(0);
        }
        // Outside of a flow the call would block. In its own poll the connection is in its flow.
        if !self.state.is_polled.get() && !runtime::is_on_loop() {
            return Ok(0);
        }
        match self.with_waker(|waker| self.post(&mut Context::from_waker(waker), bytes)) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(0),
        }
    }

    #[inline]
    fn send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(stream) = self.stream.take() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let sent = stream.poll_send(context, bytes);
        self.stream.set(Some(stream));
        sent
    }

    /// Sends and receives until there is something to tell the protocol.
    #[inline]
    pub(super) fn next(&self, context: &mut Context<'_>) -> Next {
        let state = &self.state;
        let idle = state.sending.get() == Sending::Open && state.buffer.get() == Buffer::Empty;
        let idle = idle && self.is_settled();
        if !idle && let Some(next) = self.finish_sending(context) {
            return next;
        }
        if state.receiving.get() != Receiving::Open {
            return Next::Pending;
        }
        let Some(stream) = self.stream.take() else {
            return Next::Lost(Some(io::ErrorKind::NotConnected.into()));
        };
        let received = stream.poll_recv(context);
        self.stream.set(Some(stream));
        match received {
            Poll::Pending => Next::Pending,
            Poll::Ready(Ok(chunk)) if chunk.is_empty() => {
                state.receiving.set(Receiving::Ended);
                Next::Eof
            }
            Poll::Ready(Ok(chunk)) => Next::Data(chunk),
            Poll::Ready(Err(error)) => Next::Lost(Some(error)),
        }
    }

    /// Sends buffered bytes, and ends what is to end after them. Returns `None` if receiving goes on.
    #[cold]
    fn finish_sending(&self, context: &mut Context<'_>) -> Option<Next> {
        let state = &self.state;
        if state.sending.get() == Sending::Aborted {
            // A socket that can't be reset is closed in the ordinary way.
            let _ = self.with_stream(Stream::reset_on_close);
            return Some(Next::Lost(None));
        }
        if let Some(post) = self.post.get() {
            match self.settle(Some(context), post) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) => {
                    let closes = state.sending.get() == Sending::Closing;
                    return closes.then_some(Next::Pending);
                }
                Err(error) => return Some(Next::Lost(Some(error))),
            }
        }
        if state.buffer.get() != Buffer::Empty {
            match self.flush(context) {
                Ok(None) => {}
                Ok(next) => return next,
                Err(error) => return Some(Next::Lost(Some(error))),
            }
        }
        match (state.sending.get(), state.buffer.get()) {
            (Sending::Closing, Buffer::Empty) => Some(Next::Lost(None)),
            (Sending::Closing, _) => Some(Next::Pending),
            (Sending::Finishing, Buffer::Empty) => {
                state.sending.set(Sending::Finished);
                // Fails only if the peer has gone, and receiving reports that.
                let _ = self.with_stream(Stream::shutdown_write);
                None
            }
            _ => None,
        }
    }

    /// Sends buffered bytes. Returns a callback if a water mark was passed.
    fn flush(&self, context: &mut Context<'_>) -> io::Result<Option<Next>> {
        self.with_buffer(|buffer| {
            // Also if the socket takes all of it by now: who has seen the full buffer waits for the other callback.
            if self.state.buffer.get() != Buffer::Full && buffer.is_above_high() {
                self.state.buffer.set(Buffer::Full);
                return Ok(Some(Next::PauseWriting));
            }
            buffer.flush(|bytes| self.send(context, bytes))?;
            let (state, next) = match self.state.buffer.get() {
                Buffer::Full if !buffer.is_at_most_low() => (Buffer::Full, None),
                Buffer::Full => (Buffer::Filled, Some(Next::ResumeWriting)),
                _ => (Buffer::Filled, None),
            };
            self.state.buffer.set(match buffer.len() {
                0 => Buffer::Empty,
                _ => state,
            });
            Ok(next)
        })
    }

    /// Ends the connection: its transport has no stream from now on.
    pub(super) fn lose(&self) {
        self.end_post();
        self.state.lose();
        drop(self.stream.take());
        drop(self.buffer.take());
        drop(self.waker.take());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end_post();
    }
}
