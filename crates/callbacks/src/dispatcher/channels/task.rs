//! The task of a channel: waits for the socket and calls the dispatcher.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use switchboard_net::{Accepted, Addr, Stream};
use switchboard_runtime::{self as runtime, Direction};

use super::Channels;
use super::channel::Channel;
use super::state::{Connection, Interest, Socket, Start, Writing};
use crate::dispatcher::Dispatcher;

/// Spawns the task of `channel` on the running loop.
pub(super) fn spawn(channel: Channel, start: Start, channels: Channels) {
    let leaver = LeaveOnDrop(channel, channels);
    // The task ends when its socket is closed.
    runtime::spawn_local(async move { leaver.0.run(start).await }).detach();
}

/// The next event of a channel.
enum Event {
    OutOfBand(u8),
    Accept(Accepted),
    Read,
    Write,
    /// `handle_close` is due.
    Ended,
    Closed,
}

impl Channel {
    async fn run(&self, start: Start) {
        if let Start::Connect(name) = start {
            // Boxed, so that the task of a connected channel does not keep the attempt's memory.
            Box::pin(self.connect(&name)).await;
        }
        loop {
            match poll_fn(|context| self.poll_event(context)).await {
                Event::Closed => return,
                Event::Ended => self.handle_ended(),
                Event::OutOfBand(byte) => {
                    self.handle(|dispatcher| dispatcher.handle_expt(self, byte));
                }
                Event::Accept(accepted) => self.handle_accept(accepted),
                Event::Read => self.handle(|dispatcher| dispatcher.handle_read(self)),
                Event::Write => {
                    self.handle_write();
                    // One write in each turn leaves time for other channels.
                    runtime::yield_now().await;
                }
            }
        }
    }

    async fn connect(&self, name: &str) {
        let closed = poll_fn(|context| {
            self.set_waker(context);
            match self.is_closed() {
                true => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                false => Poll::Pending,
            }
        });
        let connected = runtime::race(Stream::connect(name), closed).await;
        if self.is_closed() {
            return;
        }
        match connected {
            Ok(stream) => {
                self.0.socket.replace(Socket::Stream(stream));
                self.handle(|dispatcher| dispatcher.handle_connect(self));
            }
            Err(error) => self.handle(|_| Err(error)),
        }
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<Event> {
        self.set_waker(context);
        if self.is_closed() {
            return Poll::Ready(Event::Closed);
        }
        let connection = self.0.connection.get();
        if matches!(connection, Connection::EndDue | Connection::Broken) {
            return Poll::Ready(Event::Ended);
        }
        let interest = Interest::of(&**self.0.dispatcher.borrow());
        self.0.interest.set(interest);
        // The dispatcher may have closed the socket when it was asked.
        match &mut *self.0.socket.borrow_mut() {
            // The socket is still connecting here only if the attempt failed and `handle_error` did not
            // close the channel.
            Socket::Closed | Socket::Connecting => Poll::Ready(Event::Closed),
            Socket::Listener(incoming) => match interest.read {
                true => Poll::Ready(Event::Accept(ready!(incoming.poll_next(context)))),
                false => Poll::Pending,
            },
            Socket::Stream(stream) => self.poll_stream(stream, interest, context),
        }
    }

    fn poll_stream(
        &self,
        stream: &Stream,
        interest: Interest,
        context: &mut Context<'_>,
    ) -> Poll<Event> {
        if let Poll::Ready(Ok(byte)) = stream.poll_urgent(context) {
            return Poll::Ready(Event::OutOfBand(byte));
        }
        let read = interest.read && self.0.connection.get() == Connection::Open;
        let write = interest.write && self.0.writing.get() != Writing::Idle;
        // Reading and writing alternate, so that a peer that never stops sending is answered.
        let write_first = write && self.0.first.replace(Direction::Read) == Direction::Write;
        if write_first && stream.poll_ready(context, Direction::Write).is_ready() {
            return Poll::Ready(Event::Write);
        }
        if read && stream.poll_ready(context, Direction::Read).is_ready() {
            self.0.first.set(Direction::Write);
            return Poll::Ready(Event::Read);
        }
        if write && stream.poll_ready(context, Direction::Write).is_ready() {
            return Poll::Ready(Event::Write);
        }
        Poll::Pending
    }

    /// Calls a method of the dispatcher, and `handle_error` if that fails.
    fn handle(&self, method: impl FnOnce(&mut dyn Dispatcher) -> io::Result<()>) {
        self.call(method);
        self.channels().update_interest();
    }

    /// Returns whether the method succeeded.
    fn call(&self, method: impl FnOnce(&mut dyn Dispatcher) -> io::Result<()>) -> bool {
        let mut dispatcher = self.0.dispatcher.borrow_mut();
        match method(&mut **dispatcher) {
            Ok(()) => true,
            Err(error) => {
                dispatcher.handle_error(self, error);
                false
            }
        }
    }

    fn handle_write(&self) {
        self.0.writing.set(Writing::Called);
        let succeeded = self.call(|dispatcher| dispatcher.handle_write(self));
        let sent = self.0.writing.get() == Writing::Sent;
        let next = if sent { Writing::Ready } else { Writing::Idle };
        self.0.writing.set(next);
        match sent || !succeeded {
            true => self.channels().update_interest(),
            false => self.channels().update_interest_of_others(),
        }
    }

    fn handle_ended(&self) {
        if self.0.connection.get() == Connection::EndDue {
            self.0.connection.set(Connection::Ended);
        }
        self.handle_close();
        if self.is_broken() {
            self.close();
        }
    }

    fn handle_close(&self) {
        self.handle(|dispatcher| {
            dispatcher.handle_close(self);
            Ok(())
        });
    }

    fn handle_accept(&self, accepted: Accepted) {
        match accepted {
            Accepted::Connection(stream, peer) => {
                // The system has no address of a peer that has gone, but may have its bytes.
                let peer = peer.or_else(|| stream.peer_addr().ok());
                let peer = peer.unwrap_or(Addr::Unix(None));
                self.handle(|dispatcher| dispatcher.handle_accepted(self, stream, peer));
            }
            Accepted::BackOff { error, pause } => {
                let line = format!("{self:?}: cannot accept: {error}; next try in {pause:?}");
                self.0.dispatcher.borrow().log(&line);
            }
            Accepted::Closed => {
                self.handle_close();
                self.close();
            }
            Accepted::Failed(error) => {
                self.handle(|_| Err(error));
                self.close();
            }
        }
    }
}

/// The dispatcher of a closed channel.
struct Closed;

impl Dispatcher for Closed {}

/// A channel that leaves the [`Channels`] when its task ends, also by a panic.
struct LeaveOnDrop(Channel, Channels);

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        let LeaveOnDrop(channel, channels) = self;
        drop(channel.0.socket.replace(Socket::Closed));
        // A dispatcher that holds its own channel would never be dropped otherwise.
        if let Ok(mut dispatcher) = channel.0.dispatcher.try_borrow_mut() {
            let dropped = std::mem::replace(&mut *dispatcher, Box::new(Closed));
            drop((dispatcher, dropped));
        }
        channels.remove(channel.0.key);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::UdpSocket;
    use std::rc::Rc;
    use std::time::Duration;

    use switchboard_net::Listener;
    use switchboard_runtime::{Driver, Model};

    use super::*;

    /// Records what is called and leaves the channel open.
    #[derive(Clone, Default)]
    struct Record(Rc<RefCell<Vec<String>>>);

    impl Dispatcher for Record {
        fn handle_close(&mut self, _: &Channel) {
            self.log("handle_close");
        }
        fn handle_error(&mut self, _: &Channel, error: io::Error) {
            self.log(&format!("handle_error: {error}"));
        }
        fn log(&self, line: &str) {
            self.0.borrow_mut().push(line.to_owned());
        }
    }

    #[test]
    fn a_listener_that_is_shut_down_closes_its_channel() {
        for driver in Driver::ALL {
            let listener = Listener::bind("127.0.0.1:0").unwrap();
            let (channels, record) = (Channels::new(), Record::default());
            channels.insert_listener(listener.clone(), record.clone());
            listener.shutdown().unwrap();
            channels.run_until_empty(driver).unwrap();
            assert_eq!(*record.0.borrow(), ["handle_close"], "{driver}");
        }
    }

    #[test]
    fn a_shutdown_while_the_channel_waits_closes_it() {
        for driver in Driver::ALL {
            let listener = Listener::bind("127.0.0.1:0").unwrap();
            let (channels, record) = (Channels::new(), Record::default());
            channels.insert_listener(listener.clone(), record.clone());
            let shutdown = async {
                runtime::sleep(Duration::from_millis(2)).await;
                assert_eq!(*record.0.borrow(), [""; 0], "{driver}");
                listener.shutdown().unwrap();
            };
            let both = runtime::join(channels.until_empty(), shutdown);
            Model::Callbacks.run_with(driver, both).unwrap();
            assert_eq!(*record.0.borrow(), ["handle_close"], "{driver}");
        }
    }

    #[test]
    fn a_listener_that_cannot_accept_calls_handle_error_and_closes() {
        for driver in Driver::ALL {
            // A socket for datagrams accepts no connection.
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let listener = Listener::from_fd(socket.into()).unwrap();
            let (channels, record) = (Channels::new(), Record::default());
            channels.insert_listener(listener, record.clone());
            channels.run_until_empty(driver).unwrap();
            let calls = record.0.take();
            assert_eq!(calls.len(), 1, "{driver}: {calls:?}");
            assert!(
                calls[0].starts_with("handle_error: "),
                "{driver}: {calls:?}"
            );
        }
    }

    #[test]
    fn a_back_off_logs_one_line_and_a_failed_listener_closes() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let (channels, record) = (Channels::new(), Record::default());
        let channel = channels.insert_listener(listener, record.clone());
        let (error, pause) = (io::Error::other("none left"), Duration::from_millis(50));
        channel.handle_accept(Accepted::BackOff { error, pause });
        assert!(!channel.is_closed());
        channel.handle_accept(Accepted::Failed(io::Error::other("broken")));
        assert!(channel.is_closed());
        let calls = record.0.take();
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert!(calls[0].ends_with(": cannot accept: none left; next try in 50ms"));
        assert_eq!(calls[1], "handle_error: broken");
        channels.run_until_empty(Driver::best()).unwrap();
    }
}
