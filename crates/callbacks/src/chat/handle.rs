//! The handle to a chat.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::outgoing::{Outgoing, Producer};
use super::terminator::Terminator;
use crate::dispatcher::Channel;

/// A handle to one end of a conversation. A clone is a handle to the same end; handlers of other channels
/// may push to it.
///
/// Nothing is sent before the [`AsyncChat`](crate::AsyncChat) is [added](crate::Channels::add) and the
/// channel is connected.
///
/// ```
/// use switchboard_callbacks::{AsyncChat, Channels, Chat, ChatHandler, Terminator};
/// use switchboard_net::{PlainStream, Stream};
/// use switchboard_runtime::Driver;
///
/// struct Ignore;
/// impl ChatHandler for Ignore {
///     fn collect_incoming_data(&mut self, _: &[u8]) {}
///     fn found_terminator(&mut self, _: &Chat) {}
/// }
///
/// let (here, there) = Stream::pair()?;
/// let dispatcher = AsyncChat::new(Ignore, Terminator::None);
/// let chat = dispatcher.chat().clone();
/// chat.push(b"hello, ");
/// chat.push(b"world");
/// chat.close_when_done();
/// assert!(chat.is_sending());
/// let channels = Channels::new();
/// channels.add(here, dispatcher);
/// channels.run_until_empty(Driver::best())?;
/// assert_eq!(std::io::read_to_string(PlainStream::from(there))?, "hello, world");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Chat(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub(super) channel: RefCell<Option<Channel>>,
    pub(super) terminator: RefCell<Terminator>,
    outgoing: Outgoing,
    /// Whether the connection closes once all is sent.
    closing: Cell<bool>,
    /// Whether a call of `send` is on the stack.
    sending: Cell<bool>,
}

/// A call of `send` on the stack, which ends also by a panic of a producer.
struct SendingGuard<'a>(&'a Cell<bool>);

impl Drop for SendingGuard<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Chat {
    pub(super) fn new(terminator: Terminator) -> Chat {
        Chat(Rc::new(Inner {
            channel: RefCell::default(),
            terminator: RefCell::new(terminator.normalized()),
            outgoing: Outgoing::default(),
            closing: Cell::new(false),
            sending: Cell::new(false),
        }))
    }

    /// Sets the terminator of the next message. Bytes that have been received but not collected belong to
    /// that message.
    pub fn set_terminator(&self, terminator: Terminator) {
        *self.0.terminator.borrow_mut() = terminator.normalized();
    }

    /// Returns the terminator of the next message.
    pub fn terminator(&self) -> Terminator {
        self.0.terminator.borrow().clone()
    }

    /// Sends a copy of `bytes` after all that was pushed before. Never blocks.
    pub fn push(&self, bytes: &[u8]) {
        let mut once = Some(bytes.to_vec());
        self.push_with_producer(move || once.take().unwrap_or_default());
    }

    /// Sends the bytes of `producer` after all that was pushed before. The producer is called when the
    /// connection is writable.
    pub fn push_with_producer(&self, producer: impl Producer) {
        self.0.outgoing.push(producer);
        self.send();
    }

    /// Closes the connection once all that was pushed is sent.
    pub fn close_when_done(&self) {
        self.0.closing.set(true);
        self.send();
    }

    /// Closes the connection now. What was pushed and not sent is lost.
    pub fn close(&self) {
        if let Some(channel) = self.channel() {
            channel.close();
        }
    }

    /// Discards what was pushed and not sent.
    pub fn discard_buffers(&self) {
        self.0.outgoing.discard();
    }

    /// Returns whether there is something to send.
    pub fn is_sending(&self) -> bool {
        !self.0.outgoing.is_empty()
    }

    /// Returns whether there is something to send or a close to make.
    pub(super) fn is_writing(&self) -> bool {
        self.is_sending() || self.0.closing.get()
    }

    /// Returns the channel; `None` before the dispatcher is [added](crate::Channels::add).
    pub fn channel(&self) -> Option<Channel> {
        self.0.channel.borrow().clone()
    }

    /// Sends as much as the socket takes.
    pub(super) fn send(&self) {
        let Some(channel) = self.channel() else {
            return;
        };
        // A producer that pushes calls this again; the first call sends its bytes too.
        if self.0.sending.replace(true) {
            return;
        }
        let _sending = SendingGuard(&self.0.sending);
        self.send_on(&channel);
    }

    fn send_on(&self, channel: &Channel) {
        while self.0.outgoing.fill() {
            match self.0.outgoing.send(|bytes| channel.send(bytes)) {
                Ok(sent) if sent > 0 => {}
                // A closed channel never sends the rest.
                _ if channel.is_closed() => return self.discard_buffers(),
                // The socket takes no more, or is not connected yet.
                _ => return channel.channels().update_interest(),
            }
        }
        if self.0.closing.get() {
            channel.close();
        }
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.channel.borrow() {
            Some(channel) => write!(f, "Chat({channel:?})"),
            None => f.write_str("Chat(not begun)"),
        }
    }
}
