//! Ends of channels: by the peer, by an error, by the channel itself.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{Channel, Channels, Dispatcher};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{CloseOnRead, Echo, Log, pair, reset, rest, tcp, until_empty};

crate::stamp!(
    after_handle_close_a_channel_can_still_send
    a_reset_calls_handle_close_once
    a_reset_after_the_end_of_input_closes
    a_channel_may_close_in_readable
    a_closed_channel_gets_no_handle_close
    close_cancels_a_connection_attempt
    a_peer_that_never_stops_sending_is_answered
);

fn after_handle_close_a_channel_can_still_send(driver: Driver) {
    let (stream, mut peer) = pair();
    let log = Log::default();
    let echo = Echo {
        log: log.clone(),
        ..Echo::default()
    };
    let channels = Channels::new();
    channels.add(stream, echo);
    let bytes = vec![1; 500_000];
    let (sent, reads) = (bytes.clone(), peer.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        peer.write_all(&sent).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
    });
    let reader = std::thread::spawn(move || rest(reads));
    channels.run_until_empty(driver).unwrap();
    writer.join().unwrap();
    assert!(reader.join().unwrap() == bytes);
    assert_eq!(log.lines(), ["close false"]);
}

/// Always has more to write than its peer takes, and never closes its channel.
struct Flood(Log);

impl Dispatcher for Flood {
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        channel.send(&[0; 100_000]).map(drop)
    }
    fn readable(&self) -> bool {
        false
    }
    fn handle_close(&mut self, _: &Channel) {
        self.0.add("close");
    }
}

fn a_reset_calls_handle_close_once(driver: Driver) {
    let (stream, mut peer) = tcp();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, Flood(log.clone()));
    let peer = std::thread::spawn(move || {
        peer.read_exact(&mut [0; 1000]).unwrap();
        reset(&peer);
    });
    until_empty(driver, &channels);
    peer.join().unwrap();
    assert_eq!(log.lines(), ["close"]);
}

/// Closes its channel when `readable` is called.
#[derive(Default)]
struct CloseInReadable(RefCell<Option<Channel>>);

impl Dispatcher for CloseInReadable {
    fn handle_added(&mut self, channel: &Channel) {
        self.0.replace(Some(channel.clone()));
    }
    fn readable(&self) -> bool {
        self.0.borrow().as_ref().inspect(|channel| channel.close());
        true
    }
}

/// Records each call of `handle_close` and keeps the channel open.
struct KeepOpen(Log);

impl Dispatcher for KeepOpen {
    fn handle_close(&mut self, _: &Channel) {
        self.0.add("close");
    }
    fn writable(&self) -> bool {
        false
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.recv(&mut [0; 10]).map(drop)
    }
}

fn a_reset_after_the_end_of_input_closes(driver: Driver) {
    let (stream, peer) = tcp();
    let log = Log::default();
    let channels = Channels::new();
    let channel = channels.add(stream, KeepOpen(log.clone()));
    let reset_after_end = async {
        peer.shutdown(Shutdown::Write).unwrap();
        while log.lines().is_empty() {
            runtime::sleep(Duration::from_millis(1)).await;
        }
        reset(&peer);
        drop(peer);
        while channel.send(b"x").is_ok() {
            runtime::sleep(Duration::from_millis(1)).await;
        }
    };
    let both = runtime::join(channels.until_empty(), reset_after_end);
    Model::Callbacks.run_with(driver, both).unwrap();
    assert_eq!(log.lines(), ["close", "close"]);
    assert!(channel.take_error().is_some());
}

fn a_channel_may_close_in_readable(driver: Driver) {
    let (stream, _peer) = pair();
    let channels = Channels::new();
    channels.add(stream, CloseInReadable::default());
    until_empty(driver, &channels);
}

/// Closes its channel when `recv` returns zero bytes.
struct CloseAtEnd(Log);

impl Dispatcher for CloseAtEnd {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        if channel.recv(&mut [0; 10])? == 0 {
            self.0.add("end");
            channel.close();
        }
        Ok(())
    }
    fn handle_close(&mut self, _: &Channel) {
        self.0.add("close");
    }
}

fn a_closed_channel_gets_no_handle_close(driver: Driver) {
    let (stream, peer) = pair();
    drop(peer);
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, CloseAtEnd(log.clone()));
    until_empty(driver, &channels);
    assert_eq!(log.lines(), ["end"]);
}

fn close_cancels_a_connection_attempt(driver: Driver) {
    if driver == Driver::Sim {
        return; // The simulated time would leap past the timeout.
    }
    // A listener with a full queue leaves further attempts to connect pending.
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap().as_socket().unwrap();
    let short = Duration::from_millis(100);
    let crowd: Vec<_> = (0..3)
        .map(|_| TcpStream::connect_timeout(&addr, short))
        .collect();
    let channels = Channels::new();
    let channel = channels.connect(&addr.to_string(), CloseOnRead);
    let close = async {
        // The attempt begins in this turn.
        runtime::yield_now().await;
        channel.close();
        channels.until_empty().await;
    };
    // Shorter than the system's own limit of an attempt.
    let limit = runtime::timeout(Duration::from_secs(60), close);
    Model::Callbacks.run_with(driver, limit).unwrap().unwrap();
    drop(crowd);
}

/// Sends back all received bytes, and records how many it held when it first could send.
#[derive(Default)]
struct EchoGreedily {
    held: Vec<u8>,
    first: Rc<Cell<Option<usize>>>,
}

impl Dispatcher for EchoGreedily {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let length = channel.recv(&mut buffer)?;
        self.held.extend(&buffer[..length]);
        Ok(())
    }
    fn writable(&self) -> bool {
        !self.held.is_empty()
    }
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        let first = self.first.get().unwrap_or(self.held.len());
        self.first.set(Some(first));
        let sent = channel.send(&self.held)?;
        self.held.drain(..sent);
        Ok(())
    }
}

fn a_peer_that_never_stops_sending_is_answered(driver: Driver) {
    let (stream, mut peer) = pair();
    let greedy = EchoGreedily::default();
    let first = greedy.first.clone();
    let channels = Channels::new();
    channels.add(stream, greedy);
    let mut reads = peer.try_clone().unwrap();
    let reader = std::thread::spawn(move || io::copy(&mut reads, &mut io::sink()));
    let writer = std::thread::spawn(move || {
        let bytes = vec![1; 1_000_000];
        (0..30).for_each(|_| peer.write_all(&bytes).unwrap());
        peer.shutdown(Shutdown::Write).unwrap();
    });
    until_empty(driver, &channels);
    writer.join().unwrap();
    reader.join().unwrap().unwrap();
    assert!(first.get().is_some_and(|held| held <= 4096), "{first:?}");
}
