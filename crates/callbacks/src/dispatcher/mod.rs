//! Dispatchers: objects that are told what their channel is ready for, as asyncore has them.

mod channels;

use std::io;

use switchboard_net::{Addr, Stream};

pub use channels::{Channel, Channels};

/// What to do when a channel, a socket among others, is ready for something. None of the methods may
/// block: while one runs, nothing else does.
///
/// A method that fails has its error handed to [`handle_error`](Dispatcher::handle_error).
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
///         channel.close(); // One guest is enough.
///         Ok(())
///     }
/// }
///
/// /// Sends back what comes.
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
/// /// Says one thing, and hears it back.
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
    /// It is `channel`'s dispatcher now; before anything else.
    fn handle_added(&mut self, channel: &Channel) {
        let _ = channel;
    }

    /// The connection that was asked for is there.
    ///
    /// # Errors
    /// Any; see [`handle_error`](Dispatcher::handle_error).
    fn handle_connect(&mut self, channel: &Channel) -> io::Result<()> {
        let _ = channel;
        Ok(())
    }

    /// A client came to this channel, which listens. Unless it is [added](crate::Channels::add), it is
    /// sent away.
    ///
    /// # Errors
    /// Any.
    fn handle_accepted(&mut self, channel: &Channel, stream: Stream, peer: Addr) -> io::Result<()> {
        let _ = (channel, stream);
        self.log(&format!("nobody handles the connection from {peer}"));
        Ok(())
    }

    /// [`recv`](Channel::recv) will not wait. It is called again until it has received all there is.
    ///
    /// # Errors
    /// Any.
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let _ = channel;
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "nobody handles what comes",
        ))
    }

    /// [`send`](Channel::send) will not wait. When it has sent nothing it is not called again before
    /// something else was handled.
    ///
    /// # Errors
    /// Any.
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        let _ = channel;
        Ok(())
    }

    /// The peer has ended the connection, or it broke: nothing is received any more. A channel that is not
    /// closed here goes on writing, until it is; one that broke is closed after this call.
    fn handle_close(&mut self, channel: &Channel) {
        channel.close();
    }

    /// Out-of-band data has come (`MSG_OOB`): this byte.
    ///
    /// # Errors
    /// Any.
    fn handle_expt(&mut self, channel: &Channel, byte: u8) -> io::Result<()> {
        let _ = channel;
        self.log(&format!("nobody handles the out-of-band byte {byte}"));
        Ok(())
    }

    /// A method failed, or the connection could not be made.
    fn handle_error(&mut self, channel: &Channel, error: io::Error) {
        self.log(&format!("{channel:?}: {error}"));
        channel.close();
    }

    /// Takes a line for the operator; to stderr, unless told otherwise.
    fn log(&self, line: &str) {
        eprintln!("{line}");
    }

    /// Whether what comes is to be read now. All channels are asked after each turn in which a method of
    /// any was called, so that the answer may depend on others; the cost grows with their number.
    fn readable(&self) -> bool {
        true
    }

    /// Whether there is something to write; asked as [`readable`](Dispatcher::readable) is.
    fn writable(&self) -> bool {
        true
    }
}
