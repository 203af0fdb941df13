//! Protocols: objects whose methods the loop calls as a connection lives.
//!
//! ```text
//!   connection_made ──► data_received* ──► eof_received? ──► connection_lost
//!                       pause_writing, resume_writing: by turns, as the peer takes what is written
//! ```

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use switchboard_net::Stream;

use crate::transport::{Next, Transport};

/// What happens on one connection, as methods that the loop calls. None may block: while one runs,
/// nothing else does.
///
/// Methods are called one at a time and on one thread, so an object, and what it shares with others
/// through `Rc<RefCell<…>>`, needs no lock.
///
/// ```
/// use switchboard_callbacks::{Protocol, Transport, create_connection, create_server, run};
/// use switchboard_runtime::Driver;
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
///
/// struct Hello(Vec<u8>);
/// impl Protocol for Hello {
///     fn connection_made(&mut self, transport: &Transport) {
///         transport.write(b"hello");
///         transport.write_eof();
///     }
///     fn data_received(&mut self, _: &Transport, data: &[u8]) {
///         self.0.extend(data);
///     }
///     fn connection_lost(&mut self, _: &Transport, _: Option<&std::io::Error>) {
///         assert_eq!(self.0, b"hello");
///         switchboard_callbacks::stop();
///     }
/// }
///
/// run(Driver::best(), || {
///     let server = create_server("127.0.0.1:0", || Echo)?;
///     create_connection(&server.local_addr().to_string(), Hello(vec![]));
///     Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub trait Protocol: 'static {
    /// The connection is there.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Bytes have come, as the network cut them: a message may take several calls, and a call may hold
    /// several messages.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// The peer will send no more. `true` keeps this direction open, until
    /// [`close`](Transport::close); `false` closes the connection once all is sent.
    fn eof_received(&mut self, transport: &Transport) -> bool {
        let _ = transport;
        false
    }

    /// The connection is over: ended by this side or in peace (`None`), or by an error. Called exactly
    /// once, whatever happened; the loop's own end is an error of kind `ConnectionAborted`.
    fn connection_lost(&mut self, transport: &Transport, error: Option<&io::Error>) {
        let _ = (transport, error);
    }

    /// More waits to be sent than the [high-water mark](Transport::set_write_buffer_limits): the peer is
    /// slow. Writing on is possible, and costs memory.
    fn pause_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The peer has caught up.
    fn resume_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Made,
    Lost,
}

/// A stream and its protocol: a future, to be run by any loop, that calls the protocol until the
/// connection is lost, and ends with the error, if that was one.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Connection<P: Protocol> {
    transport: Transport,
    protocol: P,
    phase: Phase,
}

impl<P: Protocol> Connection<P> {
    /// Joins them; no method is called before the first poll.
    pub fn new(stream: Stream, protocol: P) -> Connection<P> {
        Connection {
            transport: Transport::new(stream),
            protocol,
            phase: Phase::Fresh,
        }
    }

    /// The transport that the protocol is given.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn make(&mut self) {
        if self.phase == Phase::Fresh {
            self.phase = Phase::Made;
            self.protocol.connection_made(&self.transport);
        }
    }

    fn lose(&mut self, error: Option<&io::Error>) {
        // Before the call: should it panic, it is not repeated.
        self.phase = Phase::Lost;
        self.transport.0.lose();
        self.protocol.connection_lost(&self.transport, error);
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.make();
        loop {
            match self.transport.0.next(context) {
                Next::Nothing => return Poll::Pending,
                Next::PauseWriting => self.protocol.pause_writing(&self.transport),
                Next::ResumeWriting => self.protocol.resume_writing(&self.transport),
                Next::Data(chunk) if chunk.is_empty() => {
                    if !self.protocol.eof_received(&self.transport) {
                        self.transport.close();
                    }
                }
                Next::Data(chunk) => self.protocol.data_received(&self.transport, &chunk),
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
        self.transport.0.keep(context.waker());
        self.transport.0.set_busy(true);
        let polled = self.turn(context);
        self.transport.0.set_busy(false);
        polled
    }
}

impl<P: Protocol> Drop for Connection<P> {
    fn drop(&mut self) {
        if self.phase == Phase::Made {
            let error = io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the loop has ended, or a callback panicked",
            );
            // It may be a panic that drops this, and a second one would abort.
            let _ = catch_unwind(AssertUnwindSafe(|| self.lose(Some(&error))));
        }
    }
}
