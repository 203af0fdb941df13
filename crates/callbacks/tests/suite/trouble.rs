//! Faults that happened once: peers that go away, and callbacks that close, push or panic at a bad moment.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{
    AsyncChat, Channel, Channels, Chat, ChatHandler, Connection, Dispatcher, Protocol, Terminator,
    Transport, create_server, run,
};
use switchboard_net::{Addr, Stream};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{Log, pair, rest};

crate::stamp!(
    a_peer_that_resets_is_told_once
    a_chat_whose_peer_resets_ends
    a_second_run_asks_as_the_first
    two_may_wait_for_the_last
    a_channel_may_close_where_it_is_asked
    a_channel_that_closed_at_the_end_of_input_calls_nothing
    closing_gives_a_connection_up
    a_peer_that_never_stops_is_answered
    a_producer_that_pushes_is_heard_first
    a_chat_speaks_before_it_hears
    a_chat_that_closes_hears_no_more
    a_guest_that_panics_leaves_the_server
    a_run_within_a_blocking_flow
    a_server_needs_a_loop
    a_protocol_may_panic_twice
    channels_that_never_ran_let_go
);

/// Runs until no channel is left, and fails if that takes too long.
fn until_empty(driver: Driver, channels: &Channels) {
    if driver == Driver::Sim {
        // Its time leaps past the limit.
        return channels.run_until_empty(driver).unwrap();
    }
    let limit = runtime::timeout(Duration::from_secs(20), channels.until_empty());
    let over = Model::Callbacks.run_with(driver, limit).unwrap();
    assert!(over.is_ok(), "{channels:?} after 20 s");
}

fn tcp() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0.into(), peer)
}

fn reset(peer: &TcpStream) {
    let linger = Some(Duration::ZERO);
    socket2::SockRef::from(peer).set_linger(linger).unwrap();
}

/// Has more to write than its peer takes, and never closes by itself.
struct Stubborn(Log);

impl Dispatcher for Stubborn {
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

fn a_peer_that_resets_is_told_once(driver: Driver) {
    let (stream, mut peer) = tcp();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, Stubborn(log.clone()));
    let peer = std::thread::spawn(move || {
        peer.read_exact(&mut [0; 1000]).unwrap();
        reset(&peer);
    });
    until_empty(driver, &channels);
    peer.join().unwrap();
    assert_eq!(log.lines(), ["close"]);
}

#[derive(Default)]
struct Listens(Vec<String>, Log);

impl ChatHandler for Listens {
    fn collect_incoming_data(&mut self, data: &[u8]) {
        self.0.push(String::from_utf8_lossy(data).into());
    }
    fn found_terminator(&mut self, chat: &Chat) {
        let message = self.0.drain(..).collect::<String>();
        if message == "QUIT" {
            chat.close();
        }
        self.1.add(message);
    }
}

fn chat(log: &Log) -> AsyncChat<Listens> {
    let handler = Listens(Vec::new(), log.clone());
    AsyncChat::new(handler, Terminator::Bytes(b"\n".to_vec()))
}

fn a_chat_whose_peer_resets_ends(driver: Driver) {
    let (stream, mut peer) = tcp();
    let channels = Channels::new();
    let chat = chat(&Log::default());
    chat.chat().push(&[0; 5_000_000]);
    channels.add(stream, chat);
    let peer = std::thread::spawn(move || {
        peer.read_exact(&mut [0; 1000]).unwrap();
        reset(&peer);
    });
    until_empty(driver, &channels);
    peer.join().unwrap();
}

/// Closes with the first byte.
struct Once;

impl Dispatcher for Once {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.close();
        Ok(())
    }
}

/// One sets what the other waits for.
struct Sets(Rc<Cell<bool>>);

impl Dispatcher for Sets {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.recv(&mut [0; 10])?;
        self.0.set(true);
        Ok(())
    }
}

struct Waits(Rc<Cell<bool>>);

impl Dispatcher for Waits {
    fn writable(&self) -> bool {
        self.0.get()
    }
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        channel.channels().close_all();
        Ok(())
    }
}

fn a_second_run_asks_as_the_first(driver: Driver) {
    let channels = Channels::new();
    for _ in 0..2 {
        let ((first, mut peer), (one, mut speaks), (two, _other)) = (pair(), pair(), pair());
        channels.add(first, Once);
        peer.write_all(b"x").unwrap();
        until_empty(driver, &channels);

        let flag = Rc::new(Cell::new(false));
        channels.add(two, Waits(flag.clone()));
        channels.add(one, Sets(flag));
        speaks.write_all(b"x").unwrap();
        until_empty(driver, &channels);
    }
}

fn two_may_wait_for_the_last(driver: Driver) {
    let (stream, mut peer) = pair();
    let channels = Channels::new();
    let own = channels.clone();
    let waiting = async {
        channels.add(stream, Once);
        let other = runtime::spawn_local(async move { own.until_empty().await });
        runtime::yield_now().await;
        peer.write_all(b"x").unwrap();
        channels.until_empty().await;
        other.await.unwrap();
    };
    let limit = runtime::timeout(Duration::from_secs(20), waiting);
    Model::Callbacks.run_with(driver, limit).unwrap().unwrap();
}

/// Has had enough when it is asked.
#[derive(Default)]
struct Enough(RefCell<Option<Channel>>);

impl Dispatcher for Enough {
    fn handle_added(&mut self, channel: &Channel) {
        self.0.replace(Some(channel.clone()));
    }
    fn readable(&self) -> bool {
        self.0.borrow().as_ref().inspect(|channel| channel.close());
        true
    }
}

fn a_channel_may_close_where_it_is_asked(driver: Driver) {
    let (stream, _peer) = pair();
    let channels = Channels::new();
    channels.add(stream, Enough::default());
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

fn a_channel_that_closed_at_the_end_of_input_calls_nothing(driver: Driver) {
    let (stream, peer) = pair();
    drop(peer);
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, CloseAtEnd(log.clone()));
    until_empty(driver, &channels);
    assert_eq!(log.lines(), ["end"]);
}

fn closing_gives_a_connection_up(driver: Driver) {
    if driver == Driver::Sim {
        return; // Its time leaps past the connection.
    }
    // A queue that is full answers nobody.
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
    let channel = channels.connect(&addr.to_string(), Once);
    let close = async {
        // Its attempt begins.
        runtime::yield_now().await;
        channel.close();
        channels.until_empty().await;
    };
    let limit = runtime::timeout(Duration::from_secs(20), close);
    Model::Callbacks.run_with(driver, limit).unwrap().unwrap();
    drop(crowd);
}

/// Sends back all it has, and notes how much that was when it first could.
#[derive(Default)]
struct Greedy {
    held: Vec<u8>,
    first: Rc<Cell<Option<usize>>>,
}

impl Dispatcher for Greedy {
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

fn a_peer_that_never_stops_is_answered(driver: Driver) {
    let (stream, mut peer) = pair();
    let greedy = Greedy::default();
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

fn a_producer_that_pushes_is_heard_first(driver: Driver) {
    let (stream, peer) = pair();
    let chat = chat(&Log::default());
    let (out, own, mut calls) = (chat.chat().clone(), chat.chat().clone(), 0);
    out.push_with_producer(move || {
        calls += 1;
        match calls {
            1 => own.push(&[b'l'; 3_000_000]),
            2 => own.close_when_done(),
            _ => return Vec::new(),
        }
        b"first,".to_vec()
    });
    out.push(b"queued,");
    let channels = Channels::new();
    channels.add(stream, chat);
    let reader = std::thread::spawn(move || rest(peer));
    until_empty(driver, &channels);
    let got = reader.join().unwrap();
    assert!(
        got.starts_with(b"first,first,queued,lll"),
        "{:?}",
        &got[..20]
    );
    assert_eq!(got.len(), 3_000_019);
}

fn a_chat_speaks_before_it_hears(driver: Driver) {
    let (stream, peer) = pair();
    let chat = chat(&Log::default());
    let own = chat.chat().clone();
    let channels = Channels::new();
    channels.add(stream, chat);
    let speaks = async {
        runtime::sleep(Duration::from_millis(1)).await;
        own.push(b"hello");
        own.close_when_done();
        channels.until_empty().await;
    };
    let limit = runtime::timeout(Duration::from_secs(20), speaks);
    Model::Callbacks.run_with(driver, limit).unwrap().unwrap();
    assert_eq!(rest(peer), b"hello");
}

fn a_chat_that_closes_hears_no_more(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"HELO\nQUIT\nDELETE\n").unwrap();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, chat(&log));
    until_empty(driver, &channels);
    assert_eq!(log.lines(), ["HELO", "QUIT"]);
}

/// The first of them panics.
struct Guest(bool);

impl Protocol for Guest {
    fn connection_made(&mut self, _: &Transport) {
        assert!(!self.0, "on purpose");
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
        transport.close();
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        if error.is_none() {
            switchboard_callbacks::stop();
        }
    }
}

fn serve_guests(driver: Driver, first_is_bad: bool) {
    let (say, said) = std::sync::mpsc::channel();
    let clients = std::thread::spawn(move || {
        let addr: String = said.recv().unwrap();
        if first_is_bad {
            assert_eq!(rest(TcpStream::connect(&addr).unwrap()), b"");
        }
        let mut good = TcpStream::connect(&addr).unwrap();
        good.write_all(b"y").unwrap();
        assert_eq!(rest(good), b"y");
    });
    run(driver, move || {
        let bad = Cell::new(first_is_bad);
        let server = create_server("127.0.0.1:0", move || Guest(bad.replace(false)))?;
        say.send(server.local_addr().to_string()).unwrap();
        Ok(())
    })
    .unwrap();
    clients.join().unwrap();
}

fn a_guest_that_panics_leaves_the_server(driver: Driver) {
    serve_guests(driver, true);
}

fn a_run_within_a_blocking_flow(driver: Driver) {
    let within = async { serve_guests(driver, false) };
    Model::Threads.run(within).unwrap();
}

fn a_server_needs_a_loop(driver: Driver) {
    let refused = create_server("127.0.0.1:0", || Guest(false)).unwrap_err();
    assert_eq!(
        refused.kind(),
        io::ErrorKind::Unsupported,
        "{driver}: {refused}"
    );
    let panicked = run(driver, || panic!("on purpose"));
    assert!(panicked.is_err());
}

struct Twice;

impl Protocol for Twice {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {
        panic!("on purpose");
    }
    fn connection_lost(&mut self, _: &Transport, _: Option<&io::Error>) {
        panic!("and again");
    }
}

fn a_protocol_may_panic_twice(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let served = Model::Callbacks.run_with(driver, async {
        runtime::spawn_local(Connection::new(stream, Twice))
            .await
            .is_err()
    });
    assert!(served.unwrap());
}

struct Sends;

impl Dispatcher for Sends {
    fn handle_accepted(&mut self, _: &Channel, _: Stream, _: Addr) -> io::Result<()> {
        Ok(())
    }
}

fn channels_that_never_ran_let_go(driver: Driver) {
    let (stream, peer) = pair();
    let channels = Channels::new();
    channels.add(stream, Sends);
    drop(channels);
    assert_eq!(rest(peer), b"");
    // Nor does one whose wait is given up before it began.
    let (stream, mut peer) = pair();
    let channels = Channels::new();
    channels.add(stream, Once);
    let begun = Model::Callbacks.run_with(driver, async {
        let mut wait = pin!(channels.until_empty());
        poll_fn(|context| std::task::Poll::Ready(wait.as_mut().poll(context).is_pending())).await
    });
    assert!(begun.unwrap());
    drop(channels);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}
