//! The dispatcher of a chat.

use std::io;

use super::ChatHandler;
use super::handle::Chat;
use super::terminator::Terminator;
use crate::dispatcher::{Channel, Dispatcher};

/// A dispatcher that finds messages for a [`ChatHandler`] and sends what is pushed to its [`Chat`].
///
/// [`ChatHandler`] has an example.
pub struct AsyncChat<H> {
    handler: H,
    chat: Chat,
    /// Received bytes that may be the beginning of a terminator.
    input: Vec<u8>,
}

impl<H: ChatHandler> AsyncChat<H> {
    /// Returns a dispatcher whose first message ends with `terminator`.
    pub fn new(handler: H, terminator: Terminator) -> AsyncChat<H> {
        AsyncChat {
            handler,
            chat: Chat::new(terminator),
            input: Vec::new(),
        }
    }

    /// Returns the handle to push to.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Passes the input to the handler, up to the first byte that may belong to a terminator.
    fn find_messages(&mut self, channel: &Channel) {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while !rest.is_empty() {
            let cut = self.chat.0.terminator.borrow_mut().cut(rest);
            if cut.collect > 0 {
                self.handler.collect_incoming_data(&rest[..cut.collect]);
            }
            rest = &rest[cut.collect + cut.skip..];
            if cut.found {
                self.handler.found_terminator(&self.chat);
            }
            if channel.is_closed() {
                return;
            }
            if !cut.found && cut.collect == 0 {
                break;
            }
        }
        self.input = rest.to_vec();
    }
}

impl<H> Drop for AsyncChat<H> {
    fn drop(&mut self) {
        // A producer that holds the chat would never be dropped otherwise.
        self.chat.discard_buffers();
    }
}

impl<H: ChatHandler> Dispatcher for AsyncChat<H> {
    fn handle_added(&mut self, channel: &Channel) {
        *self.chat.0.channel.borrow_mut() = Some(channel.clone());
    }

    fn handle_connect(&mut self, _: &Channel) -> io::Result<()> {
        self.handler.handle_connect(&self.chat);
        Ok(())
    }

    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let length = match channel.recv(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            received => received?,
        };
        self.input.extend(&buffer[..length]);
        self.find_messages(channel);
        Ok(())
    }

    fn handle_write(&mut self, _: &Channel) -> io::Result<()> {
        self.chat.send();
        Ok(())
    }

    fn handle_close(&mut self, channel: &Channel) {
        if channel.is_broken() {
            self.chat.discard_buffers();
        }
        self.handler.handle_close(&self.chat);
    }

    fn handle_error(&mut self, _: &Channel, error: io::Error) {
        self.handler.handle_error(&self.chat, error);
    }

    fn writable(&self) -> bool {
        self.chat.is_writing()
    }
}
