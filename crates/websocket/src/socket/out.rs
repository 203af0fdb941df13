//! What waits to be sent: the rest of one frame, and one answer.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use super::Wire;
use crate::{Encoded, Encoder};

/// The most messages that one system call sends.
const MOST: usize = 32;

#[derive(Default)]
pub(super) struct Out {
    /// The rest of a frame.
    rest: Bytes,
    /// The answer to the last ping, or to a close: later ones take the place of earlier ones.
    reply: Option<Box<Bytes>>,
    /// Whether the stream may hold bytes.
    is_unflushed: bool,
}

impl Out {
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.reply.is_none() && !self.is_unflushed
    }

    /// Has a frame sent, before which everything else was.
    pub(super) fn frame(&mut self, frame: Bytes) {
        debug_assert!(self.rest.is_empty());
        self.rest = frame;
    }

    /// Has an answer sent behind the frame that is being sent.
    pub(super) fn reply(&mut self, frame: Bytes) {
        match self.rest.is_empty() {
            true => self.rest = frame,
            false => self.reply = Some(Box::new(frame)),
        }
    }

    /// Discards what waits.
    pub(super) fn clear(&mut self) {
        *self = Out::default();
    }

    /// Sends until nothing waits.
    pub(super) fn poll(
        &mut self,
        wire: &mut impl Wire,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.rest.is_empty() {
                let buffers = [IoSlice::new(&self.rest)];
                let sent = ready!(wire.poll_send_vectored(context, &buffers))?;
                self.sent(sent)?;
                self.rest.advance(sent);
            }
            match self.reply.take() {
                Some(reply) => self.rest = *reply,
                None => break,
            }
        }
        // Keeps no message that others hold too.
        self.rest = Bytes::new();
        if self.is_unflushed {
            ready!(wire.poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the frames of messages that others get too, as many as there is space for. Returns how many messages were
    /// taken; keeps the rest of the last.
    pub(super) fn poll_shared(
        &mut self,
        wire: &mut impl Wire,
        context: &mut Context<'_>,
        encoder: &mut Encoder,
        messages: &[impl AsRef<Encoded>],
    ) -> Poll<io::Result<usize>> {
        // Most often there is one, and room for more is not worth its making.
        if let [message] = messages {
            let mut frame = encoder.encode(message.as_ref());
            let buffers = [IoSlice::new(&frame)];
            let sent = ready!(wire.poll_send_vectored(context, &buffers))?;
            self.sent(sent)?;
            if sent < frame.len() {
                self.rest = frame.split_off(sent);
            }
            return Poll::Ready(Ok(1));
        }
        let count = messages.len().min(MOST);
        let mut frames = [const { Bytes::new() }; MOST];
        for (frame, message) in frames.iter_mut().zip(messages) {
            *frame = encoder.encode(message.as_ref());
        }
        let mut buffers = [IoSlice::new(&[]); MOST];
        for (buffer, frame) in buffers.iter_mut().zip(&frames) {
            *buffer = IoSlice::new(frame);
        }
        let sent = ready!(wire.poll_send_vectored(context, &buffers[..count]))?;
        self.sent(sent)?;
        let mut left = sent;
        for (taken, frame) in frames[..count].iter_mut().enumerate() {
            if left < frame.len() {
                if left > 0 {
                    self.rest = frame.split_off(left);
                }
                // At least one is taken, because a byte was sent.
                return Poll::Ready(Ok(taken + usize::from(left > 0)));
            }
            left -= frame.len();
        }
        Poll::Ready(Ok(count))
    }

    /// Notes that bytes were sent.
    fn sent(&mut self, sent: usize) -> io::Result<()> {
        self.is_unflushed = true;
        match sent {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(()),
        }
    }
}
