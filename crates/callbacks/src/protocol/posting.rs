//! Bytes that a transport has posted: a completion driver sends those of all connections as the turn ends.
//!
//! A connection has one post at a time. The bytes of its write buffer follow it.

use std::io;
use std::task::{Context, Poll};

use switchboard_runtime::{Post, Source};

use super::shared::Shared;
use super::state::{Buffer, Sending};

impl Shared {
    /// Posts `bytes`, behind those of an earlier post, or sends as many as the socket takes.
    #[inline]
    pub(super) fn post(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(post) = self.post.get()
            && let Some(polled) = self.extend(post, bytes)
        {
            return polled;
        }
        let Some(stream) = self.stream.take() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let post = stream.source().post(context, bytes);
        self.post.set(post);
        let sent = match post {
            Some(_) => Poll::Ready(Ok(bytes.len())),
            None => stream.poll_send(context, bytes),
        };
        self.stream.set(Some(stream));
        sent
    }

    /// Adds `bytes` to an earlier post. Returns `None` once that is sent.
    fn extend(&self, post: Post, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        let added = self.with_source(|source| source.extend_post(post, bytes))?;
        if added? {
            return Some(Poll::Ready(Ok(bytes.len())));
        }
        // Others have posted since.
        self.with_source(|source| source.flush_post(post));
        match self.settle(None, post) {
            Ok(Poll::Ready(())) if self.state.buffer.get() == Buffer::Empty => None,
            Ok(_) => Some(Poll::Pending),
            Err(error) => Some(Poll::Ready(Err(error))),
        }
    }

    /// Moves what the kernel did not take of a post to the buffer, once it was given the bytes.
    pub(super) fn settle(
        &self,
        context: Option<&mut Context<'_>>,
        post: Post,
    ) -> io::Result<Poll<()>> {
        let polled = self.with_source(|source| source.poll_post(context, post));
        let rest = match polled {
            Some(Poll::Pending) => return Ok(Poll::Pending),
            Some(Poll::Ready(rest)) => rest,
            None => Ok(Box::default()),
        };
        self.post.set(None);
        let rest = rest?;
        if !rest.is_empty() {
            self.with_buffer(|buffer| buffer.put_back(&rest));
            if self.state.buffer.get() == Buffer::Empty {
                self.state.buffer.set(Buffer::Filled);
            }
        }
        Ok(Poll::Ready(()))
    }

    fn with_source<T>(&self, f: impl FnOnce(&Source) -> T) -> Option<T> {
        let stream = self.stream.take()?;
        let result = f(stream.source());
        self.stream.set(Some(stream));
        Some(result)
    }

    /// Returns whether no posted bytes can have been left by the kernel.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        let Some(post) = self.post.get() else {
            return true;
        };
        match self.settle(None, post) {
            Ok(Poll::Pending) => true,
            Ok(Poll::Ready(())) => self.state.buffer.get() == Buffer::Empty,
            Err(error) => {
                self.keep(Err(error), &[]);
                false
            }
        }
    }

    /// Sends posted bytes now, unless the connection is aborted, and gives up what is left of them.
    pub(super) fn end_post(&self) {
        let Some(post) = self.post.take() else { return };
        self.with_source(|source| {
            if self.state.sending.get() != Sending::Aborted
                && source.poll_post(None, post).is_pending()
            {
                source.flush_post(post);
            }
            source.withdraw_post(post);
        });
    }
}
