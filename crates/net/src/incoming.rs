//! Accepting for as long as a program runs.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use switchboard_runtime::{self as runtime, Sleep, Wait};

use crate::{Addr, Listener, Stream};

/// The first pause after accepting failed for want of a resource; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The connections of a [`Listener`], with one answer to each kind of error.
///
/// Errors that belong to one connection are skipped. When a resource is exhausted (descriptors, kernel
/// memory), accepting pauses for 50 ms at first and one second at most, while clients wait in the
/// backlog. No call allocates anything besides the accepted [`Stream`].
///
/// ```
/// use switchboard_net::{Accepted, Incoming, Listener, Stream};
/// use switchboard_runtime::Model;
///
/// Model::Tasks.run(async {
///     let mut incoming = Incoming::new(Listener::bind("127.0.0.1:0")?);
///     let addr = incoming.listener().local_addr()?.to_string();
///     let _client = Stream::connect(&addr).await?;
///     let mut accepted = 0;
///     loop {
///         match incoming.next().await {
///             Accepted::Connection(_stream, _peer) => accepted += 1,
///             Accepted::BackOff { error, pause } => eprintln!("{error}; next try in {pause:?}"),
///             Accepted::Closed => break,
///             Accepted::Failed(error) => return Err(error),
///         }
///         incoming.listener().shutdown()?;
///     }
///     assert_eq!(accepted, 1);
///     Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Incoming {
    listener: Listener,
    back_off: BackOff,
}

/// The result of one step of an [`Incoming`].
///
/// ```
/// use switchboard_net::{Accepted, Incoming, Listener};
/// use switchboard_runtime::Model;
///
/// let mut incoming = Incoming::new(Listener::bind("127.0.0.1:0")?);
/// incoming.listener().shutdown()?;
/// assert!(matches!(Model::Threads.run(incoming.next())?, Accepted::Closed));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub enum Accepted {
    /// A connection. Its peer's address is `None` if a completion driver (io_uring) accepted it, and for a
    /// Unix socket; [`Stream::peer_addr`] asks the system then.
    Connection(Stream, Option<Addr>),
    /// A resource is exhausted, `error` says which. The next call waits for `pause` before it accepts,
    /// unless [`retry_now`](Incoming::retry_now) ends the wait.
    BackOff {
        /// The system's error.
        error: io::Error,
        /// The time until the next attempt.
        pause: Duration,
    },
    /// The listener was shut down, here or by another process that shares it. No connection will come.
    Closed,
    /// The listener failed; a further call would most likely fail with the same error.
    Failed(io::Error),
}

impl Incoming {
    /// Returns the connections of `listener`.
    pub fn new(listener: Listener) -> Incoming {
        Incoming {
            listener,
            back_off: BackOff::default(),
        }
    }

    /// Returns the listener.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Waits for a connection or for the reason why there is none. Dropping the future loses no
    /// connection, and does not shorten a pause. Outside of any flow it is [`Accepted::Failed`].
    pub async fn next(&mut self) -> Accepted {
        let Incoming { listener, back_off } = self;
        let poll = |context: &mut Context<'_>| back_off.poll_accept(listener, context);
        listener.operation(poll).await
    }

    /// Polls for a connection, as [`next`](Incoming::next) does.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Accepted> {
        self.back_off.poll_accept(&self.listener, context)
    }

    /// Returns a connection that the system has accepted and no step has returned; `None` if there is none. To
    /// be called until it returns `None` after the last step was dropped, where another process goes on with
    /// the listener: closing the listener would lose the connection.
    ///
    /// ```
    /// use switchboard_net::{Incoming, Listener};
    /// use switchboard_runtime::Model;
    ///
    /// let mut incoming = Incoming::new(Listener::bind("127.0.0.1:0")?);
    /// assert!(Model::Tasks.run(incoming.last())?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn last(&mut self) -> Option<Stream> {
        let poll = |context: &mut Context<'_>| self.listener.poll_last(context);
        self.listener.operation(poll).await
    }

    /// Ends the pause, as when a connection has ended and its descriptor is free again. If accepting
    /// fails again, the next pause is longer all the same.
    pub fn retry_now(&mut self) {
        self.back_off.wait = None;
    }
}

/// The pauses between attempts to accept.
#[derive(Debug, Default)]
struct BackOff {
    /// The latest pause; zero once a connection was accepted.
    pause: Duration,
    wait: Option<Sleep>,
}

impl BackOff {
    fn poll_accept(&mut self, listener: &Listener, context: &mut Context<'_>) -> Poll<Accepted> {
        if let Some(wait) = &mut self.wait {
            if let Err(error) = Wait::required() {
                return Poll::Ready(Accepted::Failed(error));
            }
            ready!(Pin::new(wait).poll(context));
            self.wait = None;
        }
        let accepted = ready!(listener.poll_connection(context));
        let accepted = self.sort(accepted);
        if let Accepted::BackOff { pause, .. } = accepted {
            self.wait = Some(runtime::sleep(pause));
        }
        Poll::Ready(accepted)
    }

    fn sort(&mut self, accepted: io::Result<(Stream, Option<Addr>)>) -> Accepted {
        match accepted {
            Ok((stream, peer)) => {
                self.pause = Duration::ZERO;
                Accepted::Connection(stream, peer)
            }
            Err(error) if is_exhaustion(&error) => {
                self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                let pause = self.pause;
                Accepted::BackOff { error, pause }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Accepted::Closed,
            Err(error) => Accepted::Failed(error),
        }
    }
}

/// Returns whether accepting failed for want of descriptors or kernel memory.
fn is_exhaustion(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(back_off: &mut BackOff, errno: Errno) -> Accepted {
        back_off.sort(Err(errno.into()))
    }

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut back_off = BackOff::default();
        let pauses = [50, 100, 200, 400, 800, 1000, 1000];
        for (at, expected) in pauses.into_iter().enumerate() {
            let errno = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM][at % 4];
            let accepted = sort(&mut back_off, errno);
            let Accepted::BackOff { error, pause } = accepted else {
                panic!("{accepted:?}");
            };
            assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
            assert_eq!(pause, Duration::from_millis(expected));
        }
    }

    #[test]
    fn a_connection_resets_the_pause() {
        let mut back_off = BackOff::default();
        sort(&mut back_off, Errno::MFILE);
        sort(&mut back_off, Errno::MFILE);
        let (stream, _peer) = Stream::pair().unwrap();
        let accepted = back_off.sort(Ok((stream, None)));
        assert!(matches!(accepted, Accepted::Connection(_, None)));
        let accepted = sort(&mut back_off, Errno::MFILE);
        assert!(matches!(accepted, Accepted::BackOff { pause, .. } if pause == FIRST_PAUSE));
    }

    #[test]
    fn invalid_input_means_closed_and_the_rest_failed() {
        let mut back_off = BackOff::default();
        let closed = sort(&mut back_off, Errno::INVAL);
        assert!(matches!(closed, Accepted::Closed), "{closed:?}");
        for errno in [Errno::BADF, Errno::OPNOTSUPP, Errno::NOTSOCK] {
            let failed = sort(&mut back_off, errno);
            assert!(matches!(failed, Accepted::Failed(_)), "{failed:?}");
        }
    }
}
