//! Chat: protocols of lines and lengths, on a dispatcher, as asynchat has them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::dispatcher::{Channel, Dispatcher};

/// What ends a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// These bytes, which are not collected. None at all are as [`Terminator::None`].
    Bytes(Vec<u8>),
    /// So many bytes; then it is [`Terminator::None`], until another is set. As is a length of zero.
    Length(usize),
    /// Nothing: all is collected.
    None,
}

/// Makes bytes when there is room to send them.
pub trait Producer: 'static {
    /// The next bytes; none at the end.
    fn more(&mut self) -> Vec<u8>;
}

impl<F: FnMut() -> Vec<u8> + 'static> Producer for F {
    fn more(&mut self) -> Vec<u8> {
        self()
    }
}

/// What is done with messages. No method may block.
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
///     let mut heard = String::new();
///     there.read_to_string(&mut heard).map(|_| heard)
/// });
/// channels.run_until_empty(Driver::best())?;
/// assert_eq!(client.join().unwrap()?, "HELLO\n");
/// # std::io::Result::Ok(())
/// ```
pub trait ChatHandler: 'static {
    /// A part of a message has come.
    fn collect_incoming_data(&mut self, data: &[u8]);

    /// The message is whole: its [terminator](Terminator) was found, or its length is there.
    fn found_terminator(&mut self, chat: &Chat);

    /// The connection that was asked for is there.
    fn handle_connect(&mut self, chat: &Chat) {
        let _ = chat;
    }

    /// The peer will send no more, or the connection broke. Unless told otherwise the connection ends once
    /// all is sent.
    fn handle_close(&mut self, chat: &Chat) {
        chat.close_when_done();
    }

    /// The connection could not be made.
    fn handle_error(&mut self, chat: &Chat, error: io::Error) {
        eprintln!("{chat:?}: {error}");
        chat.close();
    }
}

/// One end of a conversation. A clone is the same; handlers of other channels may push to it.
#[derive(Clone)]
pub struct Chat(Rc<Inner>);

struct Inner {
    channel: RefCell<Option<Channel>>,
    terminator: RefCell<Terminator>,
    out: RefCell<Out>,
    /// Closed once all is sent.
    done: Cell<bool>,
    /// A call further up the stack does.
    sending: Cell<bool>,
}

#[derive(Default)]
struct Out {
    /// What the first producer made and was not sent yet.
    bytes: Vec<u8>,
    sent: usize,
    producers: VecDeque<Box<dyn Producer>>,
}

impl Chat {
    /// Sets what ends the next message; what has come already and was not collected is part of it.
    pub fn set_terminator(&self, terminator: Terminator) {
        *self.0.terminator.borrow_mut() = match terminator {
            Terminator::Bytes(bytes) if bytes.is_empty() => Terminator::None,
            Terminator::Length(0) => Terminator::None,
            other => other,
        };
    }

    /// What ends the next message.
    pub fn terminator(&self) -> Terminator {
        self.0.terminator.borrow().clone()
    }

    /// Sends bytes after all that was pushed before.
    pub fn push(&self, bytes: &[u8]) {
        let mut once = Some(bytes.to_vec());
        self.push_with_producer(move || once.take().unwrap_or_default());
    }

    /// Sends what a producer makes after all that was pushed before, and asks it as there is room.
    pub fn push_with_producer(&self, producer: impl Producer) {
        self.0
            .out
            .borrow_mut()
            .producers
            .push_back(Box::new(producer));
        self.send();
    }

    /// Closes the connection once all that was pushed is sent.
    pub fn close_when_done(&self) {
        self.0.done.set(true);
        self.send();
    }

    /// Closes the connection now.
    pub fn close(&self) {
        self.with_channel(Channel::close);
    }

    /// Throws away what was pushed and not sent yet.
    pub fn discard_buffers(&self) {
        let out = self.0.out.take();
        drop(out);
    }

    /// Whether something waits to be sent.
    pub fn is_sending(&self) -> bool {
        let out = self.0.out.borrow();
        out.sent < out.bytes.len() || !out.producers.is_empty()
    }

    /// The channel; `None` before it is [added](crate::Channels::add).
    pub fn channel(&self) -> Option<Channel> {
        self.0.channel.borrow().clone()
    }

    fn with_channel(&self, f: impl FnOnce(&Channel)) {
        if let Some(channel) = self.channel() {
            f(&channel);
        }
    }

    /// Sends what there is room for.
    fn send(&self) {
        let Some(channel) = self.channel() else {
            return;
        };
        if self.0.sending.replace(true) {
            return;
        }
        self.send_on(&channel);
        self.0.sending.set(false);
    }

    fn send_on(&self, channel: &Channel) {
        while self.fill() {
            let sent = {
                let out = self.0.out.borrow();
                channel.send(&out.bytes[out.sent..])
            };
            match sent {
                Ok(sent) if sent > 0 => self.0.out.borrow_mut().sent += sent,
                // No room, or not connected yet.
                _ if !channel.is_closed() => return channel.channels().update_interest(),
                // Nobody will ever take it.
                _ => return self.discard_buffers(),
            }
        }
        if self.0.done.get() {
            channel.close();
        }
    }

    /// Whether there is something to send, now that producers were asked.
    fn fill(&self) -> bool {
        loop {
            let mut out = self.0.out.borrow_mut();
            if out.sent < out.bytes.len() {
                return true;
            }
            let Some(mut producer) = out.producers.pop_front() else {
                *out = Out::default();
                return false;
            };
            // It may push, and must not find the queue borrowed.
            drop(out);
            let bytes = producer.more();
            let mut out = self.0.out.borrow_mut();
            if !bytes.is_empty() {
                out.producers.push_front(producer);
                (out.bytes, out.sent) = (bytes, 0);
            }
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

/// The dispatcher that finds messages for a handler and sends what is pushed.
pub struct AsyncChat<H> {
    handler: H,
    chat: Chat,
    /// What has come and may be the beginning of a terminator.
    input: Vec<u8>,
}

impl<H: ChatHandler> AsyncChat<H> {
    /// A handler and what ends its first message.
    pub fn new(handler: H, terminator: Terminator) -> AsyncChat<H> {
        let chat = Chat(Rc::new(Inner {
            channel: RefCell::default(),
            terminator: RefCell::new(Terminator::None),
            out: RefCell::default(),
            done: Cell::new(false),
            sending: Cell::new(false),
        }));
        chat.set_terminator(terminator);
        AsyncChat {
            handler,
            chat,
            input: Vec::new(),
        }
    }

    /// What others push to.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Hands out what the input holds, up to the first byte that may belong to a terminator.
    fn find(&mut self, channel: &Channel) {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while !rest.is_empty() {
            let (collect, skip, found) = self.cut(rest);
            if collect > 0 {
                self.handler.collect_incoming_data(&rest[..collect]);
            }
            rest = &rest[collect + skip..];
            if found {
                self.handler.found_terminator(&self.chat);
            }
            if channel.is_closed() {
                return;
            }
            if !found && collect == 0 {
                break;
            }
        }
        // The beginning of a terminator.
        self.input = rest.to_vec();
    }

    /// How many bytes are to be collected, how many after them are the terminator, and whether the message
    /// is whole then.
    fn cut(&self, input: &[u8]) -> (usize, usize, bool) {
        let all = input.len();
        match &mut *self.chat.0.terminator.borrow_mut() {
            Terminator::None => (all, 0, false),
            Terminator::Length(length) if *length > all => {
                *length -= all;
                (all, 0, false)
            }
            terminator @ &mut Terminator::Length(length) => {
                *terminator = Terminator::None;
                (length, 0, true)
            }
            Terminator::Bytes(bytes) => match position(input, bytes) {
                Some(at) => (at, bytes.len(), true),
                None => (all - begun(input, bytes), 0, false),
            },
        }
    }
}

fn position(input: &[u8], bytes: &[u8]) -> Option<usize> {
    input
        .windows(bytes.len())
        .position(|window| window == bytes)
}

/// How many bytes at the end of the input are how a terminator begins.
fn begun(input: &[u8], bytes: &[u8]) -> usize {
    let most = input.len().min(bytes.len() - 1);
    let lengths = (1..=most).rev();
    let mut begun = lengths.filter(|length| input.ends_with(&bytes[..*length]));
    begun.next().unwrap_or(0)
}

impl<H> Drop for AsyncChat<H> {
    fn drop(&mut self) {
        // A producer may hold the chat.
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
        self.find(channel);
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
        self.chat.is_sending() || self.chat.0.done.get()
    }
}
