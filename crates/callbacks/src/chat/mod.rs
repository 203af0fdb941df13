//! Chats: messages that end with a terminator or have a length, as in asynchat.

mod async_chat;
mod handle;
mod outgoing;
mod terminator;

use std::io::{self, Write};

pub use async_chat::AsyncChat;
pub use handle::Chat;
pub use outgoing::Producer;
pub use terminator::Terminator;

/// The callbacks of a chat. The methods run on the loop's thread and must not block.
///
/// ```
/// use switchboard_callbacks::{AsyncChat, Channels, Chat, ChatHandler, Terminator};
/// use switchboard_runtime::Driver;
/// use switchboard_net::Stream;
///
/// #[derive(Default)]
/// struct Shout(Vec<u8>);
/// impl ChatHandler for Shout {
///     fn collect_incoming_data(&mut self, data: &[u8]) {
///         self.0.extend(data);
///     }
///     fn found_terminator(&mut self, chat: &Chat) {
///         let line = std::mem::take(&mut self.0).to_ascii_uppercase();
///         chat.push(&[&line[..], b"\n"].concat());
///     }
/// }
///
/// let (here, there) = Stream::pair()?;
/// let channels = Channels::new();
/// let chat = AsyncChat::new(Shout::default(), Terminator::Bytes(b"\n".into()));
/// channels.add(here, chat);
/// let client = std::thread::spawn(move || {
///     use std::io::{Read, Write};
///     let mut there = switchboard_net::PlainStream::from(there);
///     there.write_all(b"hel")?;
///     there.write_all(b"lo\n")?;
///     there.shutdown(std::net::Shutdown::Write)?;
///     let mut received = String::new();
///     there.read_to_string(&mut received).map(|_| received)
/// });
/// channels.run_until_empty(Driver::best())?;
/// assert_eq!(client.join().unwrap()?, "HELLO\n");
/// # std::io::Result::Ok(())
/// ```
pub trait ChatHandler: 'static {
    /// Called with the next bytes of a message, which may come in several parts.
    fn collect_incoming_data(&mut self, data: &[u8]);

    /// Called at the end of a message: its [terminator](Terminator) was found or its length was received.
    fn found_terminator(&mut self, chat: &Chat);

    /// Called when [`Channels::connect`](crate::Channels::connect) has connected.
    fn handle_connect(&mut self, chat: &Chat) {
        let _ = chat;
    }

    /// Called when the peer has ended the connection or the connection has failed. The default closes the
    /// connection once all is sent.
    fn handle_close(&mut self, chat: &Chat) {
        chat.close_when_done();
    }

    /// Called when connecting has failed. The default prints the error to stderr, if that can be written, and
    /// closes the channel.
    fn handle_error(&mut self, chat: &Chat, error: io::Error) {
        // Where stderr is closed the line is lost, and no callback panics for that.
        let _ = writeln!(io::stderr(), "{chat:?}: {error}");
        chat.close();
    }
}
