//! Tests of protocols, dispatchers and chats over every driver.

mod channels;
mod chat;
mod closing;
mod dispatcher;
mod listening;
mod posted;
mod protocol;
mod protocol_ends;
mod protocol_flow;
mod server;
mod stderr;

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{Channel, Channels, Dispatcher};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Driver, Model};

/// Returns a stream and its peer, which belongs to no loop.
pub(crate) fn pair() -> (Stream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    (here.into(), there)
}

/// Reads until the end of input.
pub(crate) fn rest(mut peer: impl Read) -> Vec<u8> {
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    rest
}

/// A record of calls, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

/// Runs until no channel is left, and fails if that takes too long.
pub(crate) fn until_empty(driver: Driver, channels: &Channels) {
    if driver == Driver::Sim {
        // The simulated time would leap past the limit.
        return channels.run_until_empty(driver).unwrap();
    }
    let limit = runtime::timeout(Duration::from_secs(600), channels.until_empty());
    let ended = Model::Callbacks.run_with(driver, limit).unwrap();
    assert!(ended.is_ok(), "{channels:?} after 600 s");
}

/// Returns a stream over TCP and its peer, which belongs to no loop.
pub(crate) fn tcp() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0.into(), peer)
}

/// Makes the peer reset the connection when it is dropped.
pub(crate) fn reset(peer: &TcpStream) {
    let linger = Some(Duration::ZERO);
    socket2::SockRef::from(peer).set_linger(linger).unwrap();
}

/// Sends received bytes back, and closes once all are sent after the end of input.
#[derive(Default)]
pub(crate) struct Echo {
    out: Vec<u8>,
    ended: bool,
    pub(crate) log: Log,
}

impl Dispatcher for Echo {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 1000];
        let length = channel.recv(&mut buffer)?;
        self.out.extend(&buffer[..length]);
        Ok(())
    }
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        let sent = channel.send(&self.out)?;
        self.out.drain(..sent);
        if self.ended && self.out.is_empty() {
            channel.close();
        }
        Ok(())
    }
    fn writable(&self) -> bool {
        self.ended || !self.out.is_empty()
    }
    fn handle_close(&mut self, channel: &Channel) {
        self.log.add(format!("close {}", channel.is_connected()));
        self.ended = true;
    }
}

/// Closes its channel when `handle_read` is called.
pub(crate) struct CloseOnRead;

impl Dispatcher for CloseOnRead {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.close();
        Ok(())
    }
}

/// Defines a module for each driver, with a test for each case.
macro_rules! stamp {
    ($($case:ident)*) => {
        crate::stamp!(@ select Select $($case)*);
        crate::stamp!(@ poll Poll $($case)*);
        crate::stamp!(@ epoll Epoll $($case)*);
        crate::stamp!(@ uring Uring $($case)*);
        crate::stamp!(@ portable Portable $($case)*);
        crate::stamp!(@ sim Sim $($case)*);
    };
    (@ $name:ident $driver:ident $($case:ident)*) => {
        mod $name {
            use switchboard_runtime::Driver;
            $(
                #[test]
                fn $case() {
                    super::$case(Driver::$driver);
                }
            )*
        }
    };
}
pub(crate) use stamp;
