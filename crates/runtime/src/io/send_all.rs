//! A send of all bytes. With a completion driver, the bytes that flows post in one turn of the loop are
//! sent with the turn's one system call; each flow is woken with its result.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use switchboard_reactor::plumbing::{Posts, Sockets};
use switchboard_reactor::{Activity, Direction, Loop, Remote, Waiting};

use super::source::Source;
use crate::blocking;

/// A future that sends bytes until all are sent. If it is dropped earlier, a part of them may have been
/// sent.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use switchboard_runtime::{Model, SendAll, Source};
///
/// let (_there, here) = UnixStream::pair()?;
/// let source = Source::new(here.into());
/// let send: SendAll<'_> = source.send_all(b"hello");
/// Model::Threads.run(send)??;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct SendAll<'a> {
    source: &'a Source,
    bytes: &'a [u8],
    state: State,
}

/// The state of a send. Every connection that writes holds one, so it is kept small.
#[derive(Clone, Copy)]
enum State {
    /// No operation is under way.
    Idle,
    /// The last send would have blocked.
    Waiting,
    /// The bytes are posted: the number of the loop, and the number of the post.
    Posted(u32, u32),
}

impl Source {
    /// Returns a future that sends all of `bytes`.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe` and `ConnectionReset`; `Other` if the future is polled on one
    /// loop first and elsewhere later.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use switchboard_runtime::{Model, Source};
    ///
    /// let (mut there, here) = UnixStream::pair()?;
    /// let source = Source::new(here.into());
    /// Model::Tasks.run(source.send_all(b"hello"))??;
    /// let mut bytes = [0; 5];
    /// std::io::Read::read_exact(&mut there, &mut bytes)?;
    /// assert_eq!(&bytes, b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_all<'a>(&'a self, bytes: &'a [u8]) -> SendAll<'a> {
        SendAll {
            source: self,
            bytes,
            state: State::Idle,
        }
    }
}

impl Future for SendAll<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            let sent = ready!(self.poll_some(context))?;
            self.bytes = &self.bytes[sent..];
        }
        Poll::Ready(Ok(()))
    }
}

impl SendAll<'_> {
    fn poll_some(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.state {
            State::Posted(id, number) => {
                let told = Loop::with_current(|lp| {
                    let lp = lp.filter(|lp| lp.id() == id)?;
                    let posted = lp.poll_posted(number, context.waker());
                    if let Poll::Ready(Ok(sent)) = &posted {
                        lp.charge(*sent);
                    }
                    Some(posted)
                });
                let Some(told) = told else {
                    let text = "a write goes on elsewhere than on the loop where it began";
                    return Poll::Ready(Err(io::Error::other(text)));
                };
                let told = ready!(told);
                self.state = State::Idle;
                self.note(|activity| {
                    activity.end(Waiting::Send, *told.as_ref().unwrap_or(&0));
                });
                match told {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    told => return Poll::Ready(told),
                }
            }
            State::Idle => {
                if let Some((id, number)) = self.post(context) {
                    self.state = State::Posted(id, number);
                    self.note(|activity| activity.begin(Waiting::Send));
                    return Poll::Pending;
                }
            }
            State::Waiting => {}
        }
        let sent = self.source.poll_send(context, self.bytes);
        self.state = match sent {
            Poll::Pending => State::Waiting,
            Poll::Ready(_) => State::Idle,
        };
        sent
    }

    /// Notes for those who look at the source that it waits, or has ended to wait.
    #[inline]
    fn note(&self, note: impl FnOnce(&Activity)) {
        if let Some(activity) = self.source.descriptor().activity() {
            note(activity);
        }
    }

    /// Posts the bytes if a completion driver can send them.
    #[inline]
    fn post(&self, context: &mut Context<'_>) -> Option<(u32, u32)> {
        // Only a completion driver sends what was posted, and most sockets have none.
        match self.source.descriptor().has_completion_driver() && !blocking::is_blocking() {
            true => self.post_to_loop(context),
            false => None,
        }
    }

    fn post_to_loop(&self, context: &mut Context<'_>) -> Option<(u32, u32)> {
        Loop::with_current(|lp| {
            let lp = lp.filter(|lp| lp.completes())?;
            // Another owner's loop may have bytes of this socket in flight.
            let registration = self.source.descriptor().registered_on(lp)?;
            let number = lp.post(
                registration,
                self.source.as_fd(),
                self.bytes,
                context.waker(),
            )?;
            Some((lp.id(), number))
        })
    }
}

impl Drop for SendAll<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.state {
            State::Idle => {}
            State::Waiting => self.source.end_wait(Direction::Write),
            State::Posted(id, number) => {
                self.note(|activity| activity.end(Waiting::Send, 0));
                withdraw(id, number);
            }
        }
    }
}

/// Withdraws the post `number` from the loop `id`.
fn withdraw(id: u32, number: u32) {
    let here = Loop::with_current(|lp| {
        let lp = lp.filter(|lp| lp.id() == id);
        lp.map(|lp| lp.withdraw(number))
    });
    if here.is_none()
        && let Some(remote) = Remote::of(id)
    {
        remote.call_soon(move || {
            Loop::with_current(|lp| lp.map(|lp| lp.withdraw(number)));
        });
    }
}
