//! Methods of dispatchers, as in asyncore.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;

use switchboard_callbacks::{Channel, Channels, Dispatcher};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{Log, pair};

crate::stamp!(
    connect_calls_handle_connect_or_handle_error
    nothing_is_read_while_readable_is_false
    interest_may_depend_on_other_channels
    an_idle_writer_does_not_spin
    out_of_band_data_calls_handle_expt
    a_failed_method_calls_handle_error
);

/// Records whether connecting succeeded.
struct RecordConnect(Log);

impl Dispatcher for RecordConnect {
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

fn connect_calls_handle_connect_or_handle_error(driver: Driver) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let log = Log::default();
    let channels = Channels::new();
    channels.connect(&addr, RecordConnect(log.clone()));
    channels.run_until_empty(driver).unwrap();
    drop(listener);
    channels.connect(&addr, RecordConnect(log.clone()));
    channels.run_until_empty(driver).unwrap();
    assert_eq!(log.lines(), ["connected true", "error ConnectionRefused"]);
}

/// Is readable while `readable` is set.
struct ReadWhen {
    readable: Rc<Cell<bool>>,
    log: Log,
}

impl Dispatcher for ReadWhen {
    fn readable(&self) -> bool {
        self.readable.get()
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

fn nothing_is_read_while_readable_is_false(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"now").unwrap();
    let (readable, log) = (Rc::new(Cell::new(false)), Log::default());
    let channels = Channels::new();
    channels.add(
        stream,
        ReadWhen {
            readable: readable.clone(),
            log: log.clone(),
        },
    );
    Model::Callbacks
        .run_with(driver, async {
            let wait = async {
                runtime::sleep(std::time::Duration::from_millis(3)).await;
                assert_eq!(log.lines(), [""; 0]);
                readable.set(true);
                channels.update_interest();
            };
            runtime::join(channels.until_empty(), wait).await;
        })
        .unwrap();
    assert_eq!(log.lines(), ["now"]);
}

/// One half of a proxy: reads into the buffer that the other half writes from.
struct ProxyHalf {
    from: Rc<RefCell<Vec<u8>>>,
    to: Rc<RefCell<Vec<u8>>>,
}

impl Dispatcher for ProxyHalf {
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
        // The peers close only when they have received everything.
        channel.channels().close_all();
    }
}

fn interest_may_depend_on_other_channels(driver: Driver) {
    let ((one, mut left), (two, mut right)) = (pair(), pair());
    let (a, b) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
    let channels = Channels::new();
    channels.add(
        one,
        ProxyHalf {
            from: a.clone(),
            to: b.clone(),
        },
    );
    channels.add(two, ProxyHalf { from: b, to: a });
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

/// Keeps the default of `writable`, which is true, and sends nothing.
struct AlwaysWritable(Rc<Cell<u32>>);

impl Dispatcher for AlwaysWritable {
    fn handle_write(&mut self, _: &Channel) -> io::Result<()> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.recv(&mut [0; 10]).map(drop)
    }
}

fn an_idle_writer_does_not_spin(driver: Driver) {
    let (stream, mut peer) = pair();
    let writes = Rc::new(Cell::new(0));
    let channels = Channels::new();
    channels.add(stream, AlwaysWritable(writes.clone()));
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

struct RecordOutOfBand(Log);

impl Dispatcher for RecordOutOfBand {
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

fn out_of_band_data_calls_handle_expt(driver: Driver) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream.into(), RecordOutOfBand(log.clone()));
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

struct FailOnRead(Log);

impl Dispatcher for FailOnRead {
    fn handle_read(&mut self, _: &Channel) -> io::Result<()> {
        Err(io::Error::other("on purpose"))
    }
    fn log(&self, line: &str) {
        self.0.add(line);
    }
}

fn a_failed_method_calls_handle_error(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, FailOnRead(log.clone()));
    channels.run_until_empty(driver).unwrap();
    assert!(
        log.lines()[0].ends_with(": on purpose"),
        "{:?}",
        log.lines()
    );
}
