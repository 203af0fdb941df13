//! Protocols: objects whose methods the loop calls as their connection lives.
//!
//! ```text
//!   connection_made ──► data_received* ──► eof_received? ──► connection_lost
//!                       pause_writing, resume_writing: in turn, as the write buffer fills and drains
//! ```
//!
//! | file | question |
//! |---|---|
//! | `connection` | When is which method called? |
//! | `transport` | What may a protocol do to its connection? |
//! | `shared` | How do bytes get from one to the other? |
//! | `posting` | Which bytes are sent as the turn ends? |
//! | `state` | What may each direction still do? |
//! | `write_buffer` | Which bytes wait to be sent? |

mod connection;
mod posting;
mod shared;
mod state;
mod transport;
mod write_buffer;

use std::io;

pub use connection::Connection;
pub use transport::Transport;

/// The callbacks of one connection. None may block: while one runs, every other connection of the loop
/// waits.
///
/// Methods are called one at a time and on one thread, so an object, and the `Rc<RefCell<…>>` that it
/// shares with others, needs no lock.
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
    /// Called first, when the connection is made.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Called with received bytes, as the network divided them: a message may need several calls, and one
    /// call may hold several messages.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// Called when the peer has ended its direction. `true` keeps this direction open until
    /// [`close`](Transport::close); `false`, the default, closes the connection once all bytes are sent.
    fn eof_received(&mut self, transport: &Transport) -> bool {
        let _ = transport;
        false
    }

    /// Called exactly once, when the connection has ended. `error` is `None` if either side ended it in
    /// order; it is of kind `ConnectionAborted` if the loop ended or a callback panicked.
    fn connection_lost(&mut self, transport: &Transport, error: Option<&io::Error>) {
        let _ = (transport, error);
    }

    /// Called when more bytes wait to be sent than the
    /// [high-water mark](Transport::set_write_buffer_limits): the peer is slow. Further writes are
    /// accepted, and cost memory.
    fn pause_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Called after `pause_writing`, when at most the low-water mark waits.
    fn resume_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }
}
