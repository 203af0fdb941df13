//! One channel: a socket and its dispatcher.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use switchboard_net::{Addr, PlainStream, Stream};
use switchboard_runtime::{self as runtime, Direction};

use super::state::{Connection, Interest, Socket, Writing};
use super::{Channels, Map};
use crate::dispatcher::Dispatcher;

/// A handle to a socket and its [`Dispatcher`]. A clone is a handle to the same channel.
///
/// ```
/// use std::io::{self, Write};
/// use switchboard_callbacks::{Channel, Channels, Dispatcher};
/// use switchboard_net::{PlainStream, Stream};
/// use switchboard_runtime::Driver;
///
/// /// Reads one message and closes its channel.
/// struct ReadOnce;
/// impl Dispatcher for ReadOnce {
///     fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
///         let mut buffer = [0; 16];
///         let length = channel.recv(&mut buffer)?;
///         assert_eq!(&buffer[..length], b"hello");
///         channel.close();
///         Ok(())
///     }
/// }
///
/// let (here, there) = Stream::pair()?;
/// PlainStream::from(there).write_all(b"hello")?;
/// let channels = Channels::new();
/// let channel = channels.add(here, ReadOnce);
/// assert!(channel.is_connected());
/// channels.run_until_empty(Driver::best())?;
/// assert!(!channel.is_connected());
/// # io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Channel(pub(super) Rc<Inner>);

pub(super) struct Inner {
    /// The map that holds this channel.
    channels: Weak<Map>,
    pub(super) key: usize,
    pub(super) socket: RefCell<Socket>,
    pub(super) dispatcher: RefCell<Box<dyn Dispatcher>>,
    /// The waker of the channel's task.
    waker: RefCell<Waker>,
    /// The directions that the task waits for.
    pub(super) interest: Cell<Interest>,
    pub(super) connection: Cell<Connection>,
    pub(super) writing: Cell<Writing>,
    /// The direction that is tried first.
    pub(super) first: Cell<Direction>,
    error: Cell<Option<io::Error>>,
}

impl Channel {
    pub(super) fn new(
        channels: Weak<Map>,
        key: usize,
        socket: Socket,
        dispatcher: Box<dyn Dispatcher>,
    ) -> Channel {
        Channel(Rc::new(Inner {
            channels,
            key,
            socket: RefCell::new(socket),
            dispatcher: RefCell::new(dispatcher),
            waker: RefCell::new(Waker::noop().clone()),
            interest: Cell::default(),
            connection: Cell::new(Connection::Open),
            writing: Cell::new(Writing::Ready),
            first: Cell::new(Direction::Read),
            error: Cell::new(None),
        }))
    }

    /// Receives at most `buffer.len()` bytes and returns their number. Never blocks.
    ///
    /// Zero bytes mean that the peer ended the connection or that it failed with an
    /// [error](Channel::take_error); [`handle_close`](Dispatcher::handle_close) follows.
    ///
    /// # Errors
    /// - `WouldBlock` if no bytes have arrived.
    /// - `NotConnected` if the channel is closed, connecting or a listener.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.poll_stream_with(|stream, context| stream.poll_read(context, buffer))? {
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(Ok(0)) => {
                if self.0.connection.get() == Connection::Open {
                    self.0.connection.set(Connection::EndDue);
                    self.wake();
                }
                Ok(0)
            }
            Poll::Ready(Ok(length)) => Ok(length),
            Poll::Ready(Err(error)) => {
                self.fail(error);
                Ok(0)
            }
        }
    }

    /// Sends as many bytes as the socket takes and returns their number. Never blocks.
    ///
    /// Zero is also returned if the connection has failed;
    /// [`handle_close`](Dispatcher::handle_close) follows.
    ///
    /// # Errors
    /// `NotConnected` if the channel is closed, connecting or a listener.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.poll_stream_with(|stream, context| stream.poll_send(context, bytes))? {
            Poll::Pending => Ok(0),
            Poll::Ready(Ok(length)) => {
                if length > 0 && self.0.writing.get() == Writing::Called {
                    self.0.writing.set(Writing::Sent);
                }
                Ok(length)
            }
            Poll::Ready(Err(error)) => {
                self.fail(error);
                Ok(0)
            }
        }
    }

    /// Ends one direction of the connection, or both.
    ///
    /// # Errors
    /// `NotConnected` if the channel is closed, connecting or a listener, or the system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &*self.0.socket.borrow() {
            Socket::Stream(stream) => PlainStream::from(stream.clone()).shutdown(how),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Closes the socket and removes the channel from its [`Channels`]. No method of the dispatcher is
    /// called after the one that runs.
    pub fn close(&self) {
        let socket = self.0.socket.replace(Socket::Closed);
        drop(socket);
        self.wake();
    }

    /// Returns whether the channel is connected and the peer has not ended the connection.
    pub fn is_connected(&self) -> bool {
        matches!(&*self.0.socket.borrow(), Socket::Stream(_))
            && self.0.connection.get() == Connection::Open
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// `NotConnected` if the channel is closed or connecting, or the system's error.
    pub fn local_addr(&self) -> io::Result<Addr> {
        match &*self.0.socket.borrow() {
            Socket::Listener(incoming) => incoming.listener().local_addr(),
            Socket::Stream(stream) => stream.local_addr(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    /// `NotConnected` if the channel is closed, connecting or a listener, or the system's error.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        match &*self.0.socket.borrow() {
            Socket::Stream(stream) => stream.peer_addr(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Returns the channels that this one belongs to.
    pub fn channels(&self) -> Channels {
        // The map is dropped before its channels only if no loop ever ran them.
        self.0.channels.upgrade().map(Channels).unwrap_or_default()
    }

    /// Takes the error that the connection failed with.
    pub fn take_error(&self) -> Option<io::Error> {
        self.0.error.take()
    }

    /// Returns whether the connection has failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.connection.get() == Connection::Broken
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(&*self.0.socket.borrow(), Socket::Closed)
    }

    /// Wakes the task if the dispatcher is interested in a direction that the task does not wait for.
    /// `retry` ends [`Writing::Idle`].
    pub(super) fn update_interest(&self, retry: bool) {
        // A dispatcher in use is asked when its method returns.
        let Ok(dispatcher) = self.0.dispatcher.try_borrow() else {
            return;
        };
        let interest = Interest::of(&**dispatcher);
        drop(dispatcher);
        let retry = retry && self.0.writing.get() == Writing::Idle;
        if retry {
            self.0.writing.set(Writing::Ready);
        }
        let waits_for = self.0.interest.get();
        let read = interest.read && !waits_for.read;
        let write = interest.write && (!waits_for.write || retry);
        if read || write {
            self.wake();
        }
    }

    /// Sets the waker of the channel's task.
    pub(super) fn set_waker(&self, context: &Context<'_>) {
        let old = self.0.waker.replace(context.waker().clone());
        // The drop of a waker may run code that wakes this channel, which is why none is borrowed here.
        drop(old);
    }

    fn poll_stream_with<T>(
        &self,
        poll: impl FnOnce(&Stream, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<Poll<io::Result<T>>> {
        let Socket::Stream(stream) = &*self.0.socket.borrow() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if !runtime::is_on_loop() {
            // A poll outside of a loop would block.
            return Ok(Poll::Pending);
        }
        let waker = self.0.waker.borrow().clone();
        Ok(poll(stream, &mut Context::from_waker(&waker)))
    }

    /// Marks the connection as failed; the first error is kept.
    fn fail(&self, error: io::Error) {
        if self.0.connection.replace(Connection::Broken) != Connection::Broken {
            self.0.error.set(Some(error));
            self.wake();
        }
    }

    fn wake(&self) {
        let waker = self.0.waker.borrow().clone();
        waker.wake();
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.socket.borrow() {
            Socket::Listener(incoming) => write!(f, "Channel({:?})", incoming.listener()),
            Socket::Stream(stream) => write!(f, "Channel({stream:?})"),
            Socket::Connecting => f.write_str("Channel(connecting)"),
            Socket::Closed => f.write_str("Channel(closed)"),
        }
    }
}
