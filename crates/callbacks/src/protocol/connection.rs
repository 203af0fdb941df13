//! Connections: a stream and its protocol as one future.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard_net::Stream;

use super::Protocol;
use super::shared::Next;
use super::state::Phase;
use super::transport::Transport;

/// A stream and its protocol as a future, for any model. It calls the protocol until the connection is
/// lost and completes with the connection's error, if there was one.
///
/// Dropping it before that calls `connection_lost` with an error of kind `ConnectionAborted`.
///
/// ```
/// use switchboard_callbacks::{Connection, Protocol, Transport};
/// use switchboard_net::Stream;
/// use switchboard_runtime::{self as runtime, Model};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
///
/// let (here, there) = Stream::pair()?;
/// let client = async {
///     here.write_all(b"hello").await?;
///     here.shutdown_write()?;
///     here.recv().await
/// };
/// let both = runtime::join(Connection::new(there, Echo), client);
/// let (ended, answer) = Model::Tasks.run(both)?;
/// ended?;
/// assert_eq!(&*answer?, b"hello");
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct Connection<P: Protocol> {
    transport: Transport,
    protocol: P,
}

impl<P: Protocol> Connection<P> {
    /// Returns the connection of `stream` and `protocol`. No method is called before the first poll.
    pub fn new(stream: Stream, protocol: P) -> Connection<P> {
        Connection {
            transport: Transport::new(stream),
            protocol,
        }
    }

    /// Returns the transport that the protocol's methods are called with.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Calls `connection_made`.
    pub(crate) fn make(&mut self) {
        self.transport.0.state.phase.set(Phase::Made);
        self.protocol.connection_made(&self.transport);
    }

    /// Calls `connection_lost`.
    fn lose(&mut self, error: Option<&io::Error>) {
        // The phase changes before the call, so that a panic there does not repeat it.
        self.transport.0.lose();
        self.protocol.connection_lost(&self.transport, error);
    }

    /// Calls the protocol until there is nothing to tell it.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.transport.0.state.phase.get() {
            Phase::New => self.make(),
            Phase::Made => {}
            // The future is polled again after its end.
            Phase::Lost => return Poll::Pending,
        }
        let Connection {
            transport,
            protocol,
        } = self;
        loop {
            match transport.0.next(context) {
                Next::Data(chunk) => protocol.data_received(transport, &chunk),
                Next::Pending => return Poll::Pending,
                Next::Eof => {
                    if !protocol.eof_received(transport) {
                        transport.close();
                    }
                }
                Next::PauseWriting => protocol.pause_writing(transport),
                Next::ResumeWriting => protocol.resume_writing(transport),
                Next::Lost(error) => {
                    self.lose(error.as_ref());
                    return Poll::Ready(error.map_or(Ok(()), Err));
                }
            }
        }
    }
}

// Nothing in it is pinned.
impl<P: Protocol> Unpin for Connection<P> {}

impl<P: Protocol> Future for Connection<P> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.0.begin_poll(context.waker());
        let polled = self.turn(context);
        self.transport.0.end_poll();
        polled
    }
}

impl<P: Protocol> Drop for Connection<P> {
    fn drop(&mut self) {
        if self.transport.0.state.phase.get() == Phase::Made {
            let error = io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the loop has ended, or a callback panicked",
            );
            // The drop may be part of unwinding, where a second panic would abort the process.
            let _ = catch_unwind(AssertUnwindSafe(|| self.lose(Some(&error))));
        }
    }
}
