//! Dispatchers: asyncore's contract.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;

use switchboard_callbacks::{Channel, Channels, Dispatcher};
use switchboard_net::{Addr, Stream};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{Log, pair, rest};

crate::stamp!(
    it_ends_when_no_channel_is_left
    accepted_connections_echo
    a_connection_is_made_or_fails
    what_nobody_wants_is_not_read
    an_answer_may_depend_on_others
    a_writer_without_anything_to_write_does_not_spin
    out_of_band_data_is_exceptional
    an_error_is_handled
    a_closed_peer_is_told_and_may_be_written_to
    what_is_not_accepted_is_sent_away
    a_panic_leaves_the_others
    dispatchers_go_with_their_channels
);

/// Sends back what comes.
#[derive(Default)]
struct Echo {
    out: Vec<u8>,
    over: bool,
    log: Log,
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
        if self.over && self.out.is_empty() {
            channel.close();
        }
        Ok(())
    }
    fn writable(&self) -> bool {
        self.over || !self.out.is_empty()
    }
    fn handle_close(&mut self, channel: &Channel) {
        self.log.add(format!("close {}", channel.is_connected()));
        self.over = true;
    }
}

fn it_ends_when_no_channel_is_left(driver: Driver) {
    let channels = Channels::new();
    channels.run_until_empty(driver).unwrap();
    let (stream, mut peer) = pair();
    channels.add(stream, Echo::default());
    assert_eq!(channels.len(), 1);
    let peer = std::thread::spawn(move || {
        peer.write_all(&[3; 5000]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        rest(peer)
    });
    channels.run_until_empty(driver).unwrap();
    assert!(channels.is_empty());
    assert_eq!(peer.join().unwrap(), [3; 5000]);
}

/// Takes so many guests.
struct Accept(usize);

impl Dispatcher for Accept {
    fn handle_accepted(&mut self, channel: &Channel, stream: Stream, _: Addr) -> io::Result<()> {
        channel.channels().add(stream, Echo::default());
        self.0 -= 1;
        if self.0 == 0 {
            channel.close();
        }
        Ok(())
    }
}

fn accepted_connections_echo(driver: Driver) {
    let channels = Channels::new();
    let server = channels.listen("127.0.0.1:0", Accept(10)).unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let clients: Vec<_> = (0..10_u8)
        .map(|n| {
            let addr = addr.clone();
            std::thread::spawn(move || {
                let mut peer = TcpStream::connect(addr).unwrap();
                for _ in 0..20 {
                    peer.write_all(&[n; 300]).unwrap();
                    let mut back = [0; 300];
                    peer.read_exact(&mut back).unwrap();
                    assert_eq!(back, [n; 300]);
                }
                peer.shutdown(Shutdown::Write).unwrap();
                assert_eq!(rest(peer), b"");
            })
        })
        .collect();
    channels.run_until_empty(driver).unwrap();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
}

/// Tells what happens to it.
struct Tells(Log);

impl Dispatcher for Tells {
    fn handle_connect(&mut self, channel: &Channel) -> io::Result<()> {
        self.0.add(format!("connected {}", channel.is_connected()));
        channel.close();
        Ok(())
    }
    fn handle_error(&mut self, channel: &Channel, error: io::Error) {
        self.0.add(format!("error {:?}", error.kind()));
        channel.close();
    }
}

fn a_connection_is_made_or_fails(driver: Driver) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let log = Log::default();
    let channels = Channels::new();
    channels.connect(&addr, Tells(log.clone()));
    channels.run_until_empty(driver).unwrap();
    drop(listener);
    channels.connect(&addr, Tells(log.clone()));
    channels.run_until_empty(driver).unwrap();
    assert_eq!(log.lines(), ["connected true", "error ConnectionRefused"]);
}

/// Reads when `wants` says so.
struct Wants {
    wants: Rc<Cell<bool>>,
    log: Log,
}

impl Dispatcher for Wants {
    fn readable(&self) -> bool {
        self.wants.get()
    }
    fn writable(&self) -> bool {
        false
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 10];
        let length = channel.recv(&mut buffer)?;
        self.log.add(String::from_utf8_lossy(&buffer[..length]));
        channel.close();
        Ok(())
    }
}

fn what_nobody_wants_is_not_read(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"now").unwrap();
    let (wants, log) = (Rc::new(Cell::new(false)), Log::default());
    let channels = Channels::new();
    channels.add(
        stream,
        Wants {
            wants: wants.clone(),
            log: log.clone(),
        },
    );
    Model::Callbacks
        .run_with(driver, async {
            let wait = async {
                runtime::sleep(std::time::Duration::from_millis(3)).await;
                assert_eq!(log.lines(), [""; 0]);
                wants.set(true);
                channels.update_interest();
            };
            runtime::join(channels.until_empty(), wait).await;
        })
        .unwrap();
    assert_eq!(log.lines(), ["now"]);
}

/// One reads into what the other writes from, as a proxy does.
struct Half {
    from: Rc<RefCell<Vec<u8>>>,
    to: Rc<RefCell<Vec<u8>>>,
}

impl Dispatcher for Half {
    fn readable(&self) -> bool {
        self.to.borrow().len() < 2000
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 1000];
        let length = channel.recv(&mut buffer)?;
        self.to.borrow_mut().extend(&buffer[..length]);
        assert!(self.to.borrow().len() < 3000);
        Ok(())
    }
    fn writable(&self) -> bool {
        !self.from.borrow().is_empty()
    }
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        let mut from = self.from.borrow_mut();
        let sent = channel.send(&from)?;
        from.drain(..sent);
        Ok(())
    }
    fn handle_close(&mut self, channel: &Channel) {
        // Both sides end: the test's peers say so when they have all.
        channel.channels().close_all();
    }
}

fn an_answer_may_depend_on_others(driver: Driver) {
    let ((one, mut left), (two, mut right)) = (pair(), pair());
    let (a, b) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
    let channels = Channels::new();
    channels.add(
        one,
        Half {
            from: a.clone(),
            to: b.clone(),
        },
    );
    channels.add(two, Half { from: b, to: a });
    let talk = std::thread::spawn(move || {
        let bytes = vec![9; 300_000];
        let (sent, mut writes) = (bytes.clone(), left.try_clone().unwrap());
        let writer = std::thread::spawn(move || writes.write_all(&sent).unwrap());
        let mut there = vec![0; bytes.len()];
        right.read_exact(&mut there).unwrap();
        assert!(there == bytes);
        writer.join().unwrap();
        right.write_all(b"back").unwrap();
        let mut back = [0; 4];
        left.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"back");
    });
    channels.run_until_empty(driver).unwrap();
    talk.join().unwrap();
}

/// Leaves `writable` as it is: true.
struct Plain(Rc<Cell<u32>>);

impl Dispatcher for Plain {
    fn handle_write(&mut self, _: &Channel) -> io::Result<()> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.recv(&mut [0; 10]).map(drop)
    }
}

fn a_writer_without_anything_to_write_does_not_spin(driver: Driver) {
    let (stream, mut peer) = pair();
    let writes = Rc::new(Cell::new(0));
    let channels = Channels::new();
    channels.add(stream, Plain(writes.clone()));
    Model::Callbacks
        .run_with(driver, async {
            let end = async {
                runtime::sleep(std::time::Duration::from_millis(20)).await;
                assert!((1..=3).contains(&writes.get()), "{} writes", writes.get());
                peer.write_all(b"x").unwrap();
                runtime::sleep(std::time::Duration::from_millis(20)).await;
                peer.shutdown(Shutdown::Both).unwrap();
            };
            runtime::join(channels.until_empty(), end).await;
        })
        .unwrap();
    assert!((2..=6).contains(&writes.get()), "{} writes", writes.get());
}

struct Urgent(Log);

impl Dispatcher for Urgent {
    fn handle_expt(&mut self, _: &Channel, byte: u8) -> io::Result<()> {
        self.0.add(format!("urgent {}", char::from(byte)));
        Ok(())
    }
    fn writable(&self) -> bool {
        false
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 10];
        let length = channel.recv(&mut buffer)?;
        self.0.add(String::from_utf8_lossy(&buffer[..length]));
        if buffer.contains(&b'.') {
            channel.close();
        }
        Ok(())
    }
}

fn out_of_band_data_is_exceptional(driver: Driver) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream.into(), Urgent(log.clone()));
    let urgent = socket2::Socket::from(peer.try_clone().unwrap());
    urgent.send_out_of_band(b"!").unwrap();
    Model::Callbacks
        .run_with(driver, async {
            let after = async {
                while log.lines().is_empty() {
                    runtime::sleep(std::time::Duration::from_millis(1)).await;
                }
                peer.write_all(b"end.").unwrap();
            };
            runtime::join(channels.until_empty(), after).await;
        })
        .unwrap();
    assert_eq!(log.lines()[0], "urgent !");
    assert_eq!(log.lines()[1..].concat(), "end.");
}

struct Fails(Log);

impl Dispatcher for Fails {
    fn handle_read(&mut self, _: &Channel) -> io::Result<()> {
        Err(io::Error::other("on purpose"))
    }
    fn log(&self, line: &str) {
        self.0.add(line);
    }
}

fn an_error_is_handled(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, Fails(log.clone()));
    channels.run_until_empty(driver).unwrap();
    assert!(
        log.lines()[0].ends_with(": on purpose"),
        "{:?}",
        log.lines()
    );
}

fn a_closed_peer_is_told_and_may_be_written_to(driver: Driver) {
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

struct Forgets(Log);

impl Dispatcher for Forgets {
    fn log(&self, line: &str) {
        self.0.add(line);
    }
}

fn what_is_not_accepted_is_sent_away(driver: Driver) {
    let log = Log::default();
    let channels = Channels::new();
    let server = channels
        .listen("127.0.0.1:0", Forgets(log.clone()))
        .unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let client = std::thread::spawn(move || {
        let mut peer = TcpStream::connect(addr).unwrap();
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    });
    Model::Callbacks
        .run_with(driver, async {
            let end = async {
                while log.lines().is_empty() {
                    runtime::sleep(std::time::Duration::from_millis(1)).await;
                }
                server.close();
            };
            runtime::join(channels.until_empty(), end).await;
        })
        .unwrap();
    client.join().unwrap();
    assert!(log.lines()[0].starts_with("nobody handles the connection from 127.0.0.1:"));
}

struct Panics;

impl Dispatcher for Panics {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.recv(&mut [0; 1])?;
        panic!("on purpose");
    }
}

fn a_panic_leaves_the_others(driver: Driver) {
    let ((bad, mut bad_peer), (good, mut good_peer)) = (pair(), pair());
    let channels = Channels::new();
    channels.add(bad, Panics);
    channels.add(good, Echo::default());
    let peers = std::thread::spawn(move || {
        bad_peer.write_all(b"x").unwrap();
        assert_eq!(rest(bad_peer), b"");
        good_peer.write_all(b"y").unwrap();
        good_peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(good_peer), b"y");
    });
    channels.run_until_empty(driver).unwrap();
    peers.join().unwrap();
}

/// Holds its own channel: a circle, unless somebody breaks it.
#[derive(Default)]
struct Circle {
    own: Option<Channel>,
    held: Rc<()>,
}

impl Dispatcher for Circle {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        self.own = Some(channel.clone());
        channel.recv(&mut [0; 10]).map(drop)
    }
}

fn dispatchers_go_with_their_channels(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let held = Rc::new(());
    let channels = Channels::new();
    channels.add(
        stream,
        Circle {
            own: None,
            held: held.clone(),
        },
    );
    peer.shutdown(Shutdown::Write).unwrap();
    channels.run_until_empty(driver).unwrap();
    assert_eq!(Rc::strong_count(&held), 1);
    let _ = Circle::default().held;
}
