//! Sends of writers that go on at once. With a completion driver, the bytes that flows post in one turn of
//! the loop are sent with the turn's one system call.

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use switchboard_driver::Later;
use switchboard_reactor::plumbing::{Posts, Sockets};
use switchboard_reactor::{Loop, Waiting};

use super::source::Source;
use crate::blocking;

/// Bytes that [`Source::post`] took, on one loop. Before the source is dropped, the post has to be
/// [polled](Source::poll_post) to its end or [withdrawn](Source::withdraw_post).
///
/// ```
/// use std::future::poll_fn;
/// use std::os::unix::net::UnixStream;
/// use std::task::Poll;
/// use switchboard_runtime::{Model, Post, Source};
///
/// /// Sends a greeting together with what others send in this turn; returns what was not taken of it.
/// async fn greet(source: &Source) -> std::io::Result<Box<[u8]>> {
///     let post = poll_fn(|context| Poll::Ready(source.post(context, b"hello")));
///     let Some(post): Option<Post> = post.await else {
///         // Better sent at once.
///         let sent = poll_fn(|context| source.poll_send(context, b"hello")).await?;
///         return Ok(b"hello"[sent..].into());
///     };
///     poll_fn(|context| source.poll_post(Some(context), post)).await
/// }
///
/// let (_there, here) = UnixStream::pair()?;
/// let rest = Model::Tasks.run(async { greet(&Source::new(here.into())).await })??;
/// assert!(rest.is_empty());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    id: u32,
    later: Later,
}

impl Source {
    /// Takes `bytes`, to be sent when this turn of the loop ends, together with what others post. Returns
    /// `None` if they are better sent at once: they were not taken, and [`poll_send`](Source::poll_send)
    /// sends them. So it is under every driver but io_uring, and in blocking flows.
    ///
    /// The flow of `context` is woken if the kernel does not take all of them, and then has to call
    /// [`poll_post`](Source::poll_post). It must do so too before it sends more, for else the order is lost.
    #[inline]
    pub fn post(&self, context: &mut Context<'_>, bytes: &[u8]) -> Option<Post> {
        // Only a completion driver sends what was posted, and most sockets have none.
        match self.descriptor().has_completion_driver() && !blocking::is_blocking() {
            true => self.post_to_loop(context, bytes),
            false => None,
        }
    }

    fn post_to_loop(&self, context: &mut Context<'_>, bytes: &[u8]) -> Option<Post> {
        let post = Loop::with_current(|lp| {
            let lp = lp.filter(|lp| lp.completes())?;
            // Another owner's loop may have bytes of this socket in flight.
            let registration = self.descriptor().registered_on(lp)?;
            let later = lp.send_later(registration, self.as_fd(), bytes, context.waker())?;
            lp.charge(bytes.len());
            Some(Post { id: lp.id(), later })
        });
        if let (Some(activity), Some(_)) = (self.descriptor().activity(), post) {
            activity.end(Waiting::Send, bytes.len());
        }
        post
    }

    /// Adds `bytes` to those of a post whose turn has not ended. Returns whether it did; `None` if all bytes of
    /// the post are sent, so that it has ended.
    pub fn extend_post(&self, post: Post, bytes: &[u8]) -> Option<bool> {
        let extended = post.with_loop(|lp| lp.extend_later(post.later, bytes));
        // On another loop, the post still has to be polled.
        let extended = extended.unwrap_or(Some(false));
        if let (Some(activity), Some(true)) = (self.descriptor().activity(), extended) {
            activity.end(Waiting::Send, bytes.len());
        }
        extended
    }

    /// Returns the bytes of a post that the kernel did not take, once it was given them: none as a rule. The
    /// post has ended then. The flow of a context is woken when it is time for another call.
    ///
    /// # Errors
    /// The system's error of the send; `Other` on another loop than that of the post.
    #[inline]
    pub fn poll_post(
        &self,
        context: Option<&mut Context<'_>>,
        post: Post,
    ) -> Poll<io::Result<Box<[u8]>>> {
        let waker = context.map(|context| context.waker());
        let Some(polled) = post.with_loop(|lp| lp.poll_later(post.later, waker)) else {
            let text = "a write goes on elsewhere than on the loop where it began";
            return Poll::Ready(Err(io::Error::other(text)));
        };
        if let (Some(activity), Poll::Ready(Ok(rest))) = (self.descriptor().activity(), &polled) {
            activity.take_back_sent(rest.len());
        }
        polled
    }

    /// Gives up the bytes of a post. They are not sent if its turn has not ended.
    pub fn withdraw_post(&self, post: Post) {
        post.with_loop(|lp| lp.withdraw_later(post.later));
    }

    /// Has the kernel take the bytes of a post, and of all others of the loop, now.
    pub fn flush_post(&self, post: Post) {
        post.with_loop(|lp| lp.flush_posted());
    }
}

impl Post {
    /// Calls `f` with the post's loop if that runs on this thread.
    #[inline]
    fn with_loop<T>(self, f: impl FnOnce(&Loop) -> T) -> Option<T> {
        Loop::with_current(|lp| lp.filter(|lp| lp.id() == self.id).map(f))
    }
}
