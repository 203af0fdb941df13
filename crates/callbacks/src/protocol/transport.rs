//! Transports: what a protocol writes to.

use std::fmt;
use std::io;
use std::rc::Rc;

use switchboard_net::{Addr, Stream, TcpKeepalive};

use super::shared::Shared;

/// One end of a connection, as its protocol sees it.
///
/// [`write`](Transport::write) takes bytes at once and sends them when the peer has space for them. No
/// method blocks, and none calls the protocol: the callbacks that follow from a method run after the
/// callback that called it has returned. A clone is the same transport.
///
/// ```
/// use switchboard_callbacks::{Protocol, Transport, run, start};
/// use switchboard_net::Stream;
/// use switchboard_runtime::Driver;
///
/// struct Upper;
/// impl Protocol for Upper {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(&data.to_ascii_uppercase());
///         transport.close();
///     }
/// }
///
/// let (here, there) = std::os::unix::net::UnixStream::pair()?;
/// std::io::Write::write_all(&mut &there, b"hello")?;
/// run(Driver::best(), || {
///     start(Stream::from(here), Upper);
///     Ok(())
/// })?;
/// assert_eq!(std::io::read_to_string(there)?, "HELLO");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Transport(pub(super) Rc<Shared>);

impl Transport {
    pub(super) fn new(stream: Stream) -> Transport {
        Transport(Rc::new(Shared::new(stream)))
    }

    /// Sends `bytes`; keeps those that the socket does not take at once and sends them later. With io_uring,
    /// bytes may be sent only when this turn of the loop ends, together with those of other connections.
    ///
    /// Bytes that are written after [`close`](Transport::close), [`abort`](Transport::abort) or
    /// [`write_eof`](Transport::write_eof) are discarded.
    pub fn write(&self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// Ends this direction once all bytes are sent; bytes of the peer are still received.
    pub fn write_eof(&self) {
        self.0.change(|state| state.finish());
    }

    /// Ends the connection once all bytes are sent; no more are received. A peer that goes on sending sees
    /// a reset and may miss bytes that it has not read by then; [`write_eof`](Transport::write_eof) lets it
    /// finish.
    pub fn close(&self) {
        self.0.change(|state| state.close());
    }

    /// Ends the connection now: discards the bytes that are not sent yet and resets the connection.
    pub fn abort(&self) {
        self.0.change(|state| state.abort());
    }

    /// Returns whether the connection is lost or about to end.
    pub fn is_closing(&self) -> bool {
        self.0.state.is_closing()
    }

    /// Stops receiving until [`resume_reading`](Transport::resume_reading); the peer's bytes stay in the
    /// socket.
    pub fn pause_reading(&self) {
        self.0.change(|state| state.set_paused(true));
    }

    /// Resumes receiving.
    pub fn resume_reading(&self) {
        self.0.change(|state| state.set_paused(false));
    }

    /// Returns whether bytes of the peer are received: reading is not paused, and neither side has ended.
    pub fn is_reading(&self) -> bool {
        self.0.state.is_receiving()
    }

    /// Returns how many bytes wait to be sent.
    pub fn write_buffer_size(&self) -> usize {
        self.0.buffered()
    }

    /// Sets the water marks in bytes: `pause_writing` is called when more than `high` bytes wait, and
    /// `resume_writing` when at most `low` do. They are 64 KiB and 16 KiB where this is never called.
    ///
    /// # Panics
    /// If `low` is above `high`.
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        assert!(
            low <= high,
            "a low-water mark of {low} above a high one of {high}"
        );
        self.0.set_marks(high, low);
    }

    /// Returns the water marks in bytes, the high one first.
    ///
    /// ```
    /// use switchboard_callbacks::{Connection, Protocol, Transport};
    /// use switchboard_net::Stream;
    ///
    /// struct Discard;
    /// impl Protocol for Discard {
    ///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    /// }
    ///
    /// let (_peer, stream) = Stream::pair()?;
    /// let connection = Connection::new(stream, Discard);
    /// let transport = connection.transport();
    /// assert_eq!(transport.write_buffer_limits(), (64 * 1024, 16 * 1024));
    /// transport.set_write_buffer_limits(1000, 100);
    /// assert_eq!(transport.write_buffer_limits(), (1000, 100));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_buffer_limits(&self) -> (usize, usize) {
        self.0.marks()
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`), and not with later ones.
    ///
    /// # Errors
    /// `NotConnected` once the connection is lost; the system's, as for a Unix socket.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.0.with_stream(|stream| stream.set_nodelay(on))
    }

    /// Has the system ask a silent peer whether it is there, as
    /// [`Stream::set_tcp_keepalive`](switchboard_net::Stream::set_tcp_keepalive) does.
    ///
    /// # Errors
    /// `NotConnected` once the connection is lost; the system's, as for a Unix socket.
    pub fn set_tcp_keepalive(&self, settings: &TcpKeepalive) -> io::Result<()> {
        self.0
            .with_stream(|stream| stream.set_tcp_keepalive(settings))
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    /// `NotConnected` once the connection is lost; the system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        self.0.with_stream(Stream::local_addr)
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    /// `NotConnected` once the connection is lost, or the peer has gone.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        self.0.with_stream(Stream::peer_addr)
    }
}

/// Two transports are equal if one is a clone of the other.
impl PartialEq for Transport {
    fn eq(&self, other: &Transport) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Transport {}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.with_stream(|stream| Ok(format!("{stream:?}"))) {
            Ok(stream) => write!(f, "Transport({stream})"),
            Err(_) => f.write_str("Transport(lost)"),
        }
    }
}
