//! Dispatchers: objects whose methods are called when their socket is ready, as in asyncore.

mod channels;

use std::io::{self, Write};

use switchboard_net::{Addr, Stream};

pub use channels::{Channel, Channels};

/// The callbacks of a [`Channel`], which is one socket among others.
///
/// The methods run on the loop's thread and must not block. If a method fails,
/// [`handle_error`](Dispatcher::handle_error) is called with its error.
///
/// ```
/// use std::io;
/// use switchboard_callbacks::{Channel, Channels, Dispatcher};
/// use switchboard_runtime::Driver;
/// use switchboard_net::{Addr, Stream};
///
/// struct Accept;
/// impl Dispatcher for Accept {
///     fn handle_accepted(&mut self, channel: &Channel, stream: Stream, _: Addr) -> io::Result<()> {
///         channel.channels().add(stream, Echo(vec![]));
///         channel.close(); // Accepts one connection only.
///         Ok(())
///     }
/// }
///
/// /// Sends received bytes back.
/// struct Echo(Vec<u8>);
/// impl Dispatcher for Echo {
///     fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
///         let mut buffer = [0; 4096];
///         let length = channel.recv(&mut buffer)?;
///         self.0.extend(&buffer[..length]);
///         Ok(())
///     }
///     fn writable(&self) -> bool {
///         !self.0.is_empty()
///     }
///     fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
///         let sent = channel.send(&self.0)?;
///         self.0.drain(..sent);
///         Ok(())
///     }
/// }
///
/// /// Sends one message and receives it back.
/// struct Hello(&'static [u8]);
/// impl Dispatcher for Hello {
///     fn writable(&self) -> bool {
///         !self.0.is_empty()
///     }
///     fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
///         let sent = channel.send(self.0)?;
///         self.0 = &self.0[sent..];
///         Ok(())
///     }
///     fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
///         let mut buffer = [0; 16];
///         let length = channel.recv(&mut buffer)?;
///         assert_eq!(&buffer[..length], b"hello");
///         channel.close();
///         Ok(())
///     }
/// }
///
/// let channels = Channels::new();
/// let server = channels.listen("127.0.0.1:0", Accept)?;
/// channels.connect(&server.local_addr()?.to_string(), Hello(b"hello"));
/// channels.run_until_empty(Driver::best())?;
/// # io::Result::Ok(())
/// ```
pub trait Dispatcher: 'static {
    /// Called before all other methods, when the dispatcher is added with `channel`.
    fn handle_added(&mut self, channel: &Channel) {
        let _ = channel;
    }

    /// Called when [`Channels::connect`] has connected.
    ///
    /// # Errors
    /// Any; see [`handle_error`](Dispatcher::handle_error).
    fn handle_connect(&mut self, channel: &Channel) -> io::Result<()> {
        let _ = channel;
        Ok(())
    }

    /// Called when the channel's listener has accepted a connection. The connection closes unless
    /// `stream` is kept, for example [added](Channels::add). The default logs a line.
    ///
    /// # Errors
    /// Any; see [`handle_error`](Dispatcher::handle_error).
    fn handle_accepted(&mut self, channel: &Channel, stream: Stream, peer: Addr) -> io::Result<()> {
        let _ = (channel, stream);
        self.log(&format!("nobody handles the connection from {peer}"));
        Ok(())
    }

    /// Called when [`recv`](Channel::recv) would not return `WouldBlock`, and again until all
    /// bytes are received. The default fails with `Unsupported`.
    ///
    /// # Errors
    /// Any; see [`handle_error`](Dispatcher::handle_error).
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let _ = channel;
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "nobody handles the received bytes",
        ))
    }

    /// Called when [`send`](Channel::send) would not block. After a call that sent nothing, the next one
    /// waits until a method of another kind or channel has run.
    ///
    /// # Errors
    /// Any; see [`handle_error`](Dispatcher::handle_error).
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        let _ = channel;
        Ok(())
    }

    /// Called when the peer has ended the connection or the connection has failed; no byte is received
    /// after that. The default closes the channel.
    ///
    /// If the peer ended the connection, a channel that is not closed here can still send. If the
    /// connection fails, now or later, this method is called for the failure too, and the channel closes
    /// after the call. A listener that was shut down has its channel closed in the same way.
    fn handle_close(&mut self, channel: &Channel) {
        channel.close();
    }

    /// Called with a received byte of out-of-band data (`MSG_OOB`). The default logs a line.
    ///
    /// # Errors
    /// Any; see [`handle_error`](Dispatcher::handle_error).
    fn handle_expt(&mut self, channel: &Channel, byte: u8) -> io::Result<()> {
        let _ = channel;
        self.log(&format!("nobody handles the out-of-band byte {byte}"));
        Ok(())
    }

    /// Called when a method has failed, connecting has failed or the listener has failed. The default
    /// logs the error and closes the channel.
    fn handle_error(&mut self, channel: &Channel, error: io::Error) {
        self.log(&format!("{channel:?}: {error}"));
        channel.close();
    }

    /// Called with one line for the operator. The default prints the line to stderr, which blocks while
    /// stderr is a full pipe; a line that cannot be written is lost.
    fn log(&self, line: &str) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Returns whether the dispatcher is interested in reading or accepting. The default is `true`.
    ///
    /// All channels are asked after each turn in which a method of one was called, so that the result may
    /// depend on other channels. The cost of a turn grows with the number of channels.
    fn readable(&self) -> bool {
        true
    }

    /// Returns whether the dispatcher is interested in writing. The default is `true`; the method is called
    /// when [`readable`](Dispatcher::readable) is.
    fn writable(&self) -> bool {
        true
    }
}
