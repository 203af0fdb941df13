//! One channel: a socket, its dispatcher, and what is done when it is ready.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use switchboard_net::{Addr, Listener, PlainStream, Stream};
use switchboard_runtime::{self as runtime, Direction};

use crate::channels::{Channels, Map};
use crate::dispatcher::Dispatcher;

/// How long nobody is accepted after that failed.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(50);

/// A socket and its dispatcher. A clone is the same channel.
#[derive(Clone)]
pub struct Channel(Rc<Inner>);

struct Inner {
    /// Who holds it, too.
    channels: Weak<Map>,
    key: usize,
    socket: RefCell<Socket>,
    dispatcher: RefCell<Box<dyn Dispatcher>>,
    waker: RefCell<Waker>,
    /// What it waits for: to read, to write.
    wants: Cell<(bool, bool)>,
    /// Bytes went out since that was looked at last.
    sent: Cell<bool>,
    /// It had nothing to write when it could.
    idle: Cell<bool>,
    /// Its peer ended the connection; and its dispatcher was told.
    ended: Cell<bool>,
    over: Cell<bool>,
    /// Nothing can be sent any more; and why.
    broken: Cell<bool>,
    failure: Cell<Option<io::Error>>,
    /// It was read from last: writing has its turn.
    has_read: Cell<bool>,
}

pub(crate) enum Socket {
    Listener(Listener),
    Stream(Stream),
    /// Not there yet.
    Connecting,
    Closed,
}

/// How a channel begins.
pub(crate) enum Start {
    Ready,
    Connect(String),
}

/// What a channel is ready for.
enum Event {
    Expt(u8),
    Accepted(io::Result<(Stream, Addr)>),
    Read,
    Write,
    Ended,
    Closed,
}

impl Channel {
    pub(crate) fn new(
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
            wants: Cell::new((false, false)),
            sent: Cell::new(false),
            idle: Cell::new(false),
            ended: Cell::new(false),
            over: Cell::new(false),
            broken: Cell::new(false),
            failure: Cell::new(None),
            has_read: Cell::new(false),
        }))
    }

    /// Receives what has come, at most what `buffer` has room for. Zero bytes are the end, in peace or by an
    /// [error](Channel::take_error); [`handle_close`](Dispatcher::handle_close) follows. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock` where nothing has come; `NotConnected`.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let polled = self.with_stream(|stream, context| stream.poll_read(context, buffer))?;
        match polled {
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(Ok(length)) if length > 0 => Ok(length),
            Poll::Ready(end) => {
                if let Err(error) = end {
                    self.0.broken.set(true);
                    self.0.failure.set(Some(error));
                }
                if !self.0.over.get() {
                    self.end();
                }
                Ok(0)
            }
        }
    }

    /// Sends what there is room for, and says how much that was; zero too where the connection is broken:
    /// [`handle_close`](Dispatcher::handle_close) follows. Never blocks.
    ///
    /// # Errors
    /// `NotConnected`.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let polled = self.with_stream(|stream, context| stream.poll_send(context, bytes))?;
        match polled {
            Poll::Pending => Ok(0),
            Poll::Ready(Ok(length)) => {
                self.0.sent.set(length > 0 || self.0.sent.get());
                Ok(length)
            }
            Poll::Ready(Err(error)) => {
                // Told once.
                if !self.0.broken.replace(true) {
                    self.0.failure.set(Some(error));
                    self.end();
                }
                Ok(0)
            }
        }
    }

    /// Ends one direction of the connection, or both.
    ///
    /// # Errors
    /// `NotConnected`; the system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &*self.0.socket.borrow() {
            Socket::Stream(stream) => PlainStream::from(stream.clone()).shutdown(how),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Closes the socket and leaves the [`Channels`]; no method of the dispatcher is called any more.
    pub fn close(&self) {
        let socket = self.0.socket.replace(Socket::Closed);
        drop(socket);
        self.wake();
    }

    /// Whether the connection is there.
    pub fn is_connected(&self) -> bool {
        let over = self.0.ended.get() || self.0.over.get();
        matches!(&*self.0.socket.borrow(), Socket::Stream(_)) && !over
    }

    /// This end's address.
    ///
    /// # Errors
    /// `NotConnected`; the system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        match &*self.0.socket.borrow() {
            Socket::Listener(listener) => listener.local_addr(),
            Socket::Stream(stream) => stream.local_addr(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected`; the system's.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        match &*self.0.socket.borrow() {
            Socket::Stream(stream) => stream.peer_addr(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The channels that this is one of.
    pub fn channels(&self) -> Channels {
        // They are gone only where none ever began.
        self.0.channels.upgrade().map(Channels).unwrap_or_default()
    }

    pub(crate) fn added(&self) {
        self.0.dispatcher.borrow_mut().handle_added(self);
    }

    /// What the connection broke with, if it did; once.
    pub fn take_error(&self) -> Option<io::Error> {
        self.0.failure.take()
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.broken.get()
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(&*self.0.socket.borrow(), Socket::Closed)
    }

    fn with_stream<T>(
        &self,
        f: impl FnOnce(&Stream, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<Poll<io::Result<T>>> {
        let Socket::Stream(stream) = &*self.0.socket.borrow() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if !runtime::is_on_loop() {
            // Without its loop it would block.
            return Ok(Poll::Pending);
        }
        let waker = self.0.waker.borrow().clone();
        Ok(f(stream, &mut Context::from_waker(&waker)))
    }

    fn end(&self) {
        self.0.ended.set(true);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.0.waker.borrow().clone();
        waker.wake();
    }

    /// Asks what it wants, and has it look if that is more than it waits for.
    pub(crate) fn ask(&self, idle_too: bool) {
        // Busy: it looks for itself when its method returns.
        let Ok(dispatcher) = self.0.dispatcher.try_borrow() else {
            return;
        };
        let (read, write) = (dispatcher.readable(), dispatcher.writable());
        drop(dispatcher);
        let waited = self.0.wants.get();
        let idle = idle_too && self.0.idle.replace(false);
        if (read && !waited.0) || (write && (!waited.1 || idle)) {
            self.wake();
        }
    }

    pub(crate) fn begin(self, start: Start, channels: Channels) {
        let leaves = Leaves(self, channels);
        // Detached: it ends with its socket.
        runtime::spawn_local(async move { leaves.0.run(start).await }).detach();
    }

    async fn run(&self, start: Start) {
        if let Start::Connect(name) = start {
            let closed = poll_fn(|context| {
                self.0.waker.borrow_mut().clone_from(context.waker());
                match self.is_closed() {
                    true => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                    false => Poll::Pending,
                }
            });
            let connected = runtime::race(Stream::connect(&name), closed).await;
            // It may have been closed meanwhile.
            if matches!(&*self.0.socket.borrow(), Socket::Connecting) {
                match connected {
                    Ok(stream) => {
                        self.0.socket.replace(Socket::Stream(stream));
                        self.handle(|dispatcher| dispatcher.handle_connect(self));
                    }
                    Err(error) => self.handle(|_| Err(error)),
                }
            }
        }
        loop {
            let event = poll_fn(|context| self.poll_event(context)).await;
            let wrote = matches!(event, Event::Write);
            match event {
                Event::Closed => return,
                Event::Ended => {
                    self.0.ended.set(false);
                    self.0.over.set(true);
                    self.handle(|dispatcher| {
                        dispatcher.handle_close(self);
                        Ok(())
                    });
                    if self.is_broken() {
                        self.close();
                    }
                }
                Event::Expt(byte) => self.handle(|dispatcher| dispatcher.handle_expt(self, byte)),
                Event::Accepted(Ok((stream, peer))) => {
                    self.handle(|dispatcher| dispatcher.handle_accepted(self, stream, peer));
                }
                Event::Accepted(Err(error)) => {
                    let line = format!("{self:?}: cannot accept: {error}");
                    self.0.dispatcher.borrow().log(&line);
                    // Out of descriptors, most likely, until a connection ends.
                    runtime::sleep(BACK_OFF).await;
                }
                Event::Read => self.handle(|dispatcher| dispatcher.handle_read(self)),
                Event::Write => self.handle_write(),
            }
            if wrote {
                // Once a turn: others have their turn too.
                runtime::yield_now().await;
            }
        }
    }

    fn handle(&self, f: impl FnOnce(&mut dyn Dispatcher) -> io::Result<()>) {
        let mut dispatcher = self.0.dispatcher.borrow_mut();
        if let Err(error) = f(&mut **dispatcher) {
            dispatcher.handle_error(self, error);
        }
        drop(dispatcher);
        self.channels().update_interest();
    }

    fn handle_write(&self) {
        self.0.sent.set(false);
        let mut dispatcher = self.0.dispatcher.borrow_mut();
        let written = dispatcher.handle_write(self);
        let failed = written.is_err();
        if let Err(error) = written {
            dispatcher.handle_error(self, error);
        }
        drop(dispatcher);
        let sent = self.0.sent.get();
        self.0.idle.set(!sent);
        match sent || failed {
            true => self.channels().update_interest(),
            false => self.channels().update_others(),
        }
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<Event> {
        self.0.waker.borrow_mut().clone_from(context.waker());
        if self.0.ended.get() {
            return Poll::Ready(Event::Ended);
        }
        let dispatcher = self.0.dispatcher.borrow();
        let (read, write) = (dispatcher.readable(), dispatcher.writable());
        // They may have closed it.
        let socket = self.0.socket.borrow();
        self.0.wants.set((read, write));
        match &*socket {
            Socket::Closed => Poll::Ready(Event::Closed),
            // It has failed, and its dispatcher did not close it.
            Socket::Connecting => Poll::Ready(Event::Closed),
            Socket::Listener(listener) => match read {
                true => Poll::Ready(Event::Accepted(ready!(listener.poll_accept(context)))),
                false => Poll::Pending,
            },
            Socket::Stream(stream) => {
                if let Poll::Ready(Ok(byte)) = stream.poll_urgent(context) {
                    return Poll::Ready(Event::Expt(byte));
                }
                let write = write && !self.0.idle.get() && !self.0.broken.get();
                // By turns, so that a peer that never stops is answered all the same.
                let first = write && self.0.has_read.take();
                if first && stream.poll_ready(context, Direction::Write).is_ready() {
                    return Poll::Ready(Event::Write);
                }
                let read = read && !self.0.over.get();
                if read && stream.poll_ready(context, Direction::Read).is_ready() {
                    self.0.has_read.set(true);
                    return Poll::Ready(Event::Read);
                }
                if write && stream.poll_ready(context, Direction::Write).is_ready() {
                    return Poll::Ready(Event::Write);
                }
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.socket.borrow() {
            Socket::Listener(listener) => write!(f, "Channel({listener:?})"),
            Socket::Stream(stream) => write!(f, "Channel({stream:?})"),
            Socket::Connecting => f.write_str("Channel(connecting)"),
            Socket::Closed => f.write_str("Channel(closed)"),
        }
    }
}

/// In the place of a dispatcher whose channel is closed.
struct Gone;

impl Dispatcher for Gone {}

/// A channel that leaves the others when its run ends, be it by a panic.
struct Leaves(Channel, Channels);

impl Drop for Leaves {
    fn drop(&mut self) {
        let Leaves(channel, channels) = self;
        drop(channel.0.socket.replace(Socket::Closed));
        // It may hold the channel.
        if let Ok(mut dispatcher) = channel.0.dispatcher.try_borrow_mut() {
            let gone = std::mem::replace(&mut *dispatcher, Box::new(Gone));
            drop((dispatcher, gone));
        }
        channels.leave(channel.0.key);
    }
}
