//! A closed-loop echo client: each connection sends a message, waits for the whole of it to come
//! back, checks it, and sends the next. One thread, one wait for all, one `recv` and one `send` a
//! round trip, so that the client is not what is measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_driver::{Driver, Interest, Mode, Poller, Token};

/// What to send, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The echo server.
    pub addr: SocketAddr,
    /// Connections at once.
    pub connections: usize,
    /// Bytes of a message.
    pub message: usize,
    /// Not measured, while caches and buffers find their sizes.
    pub warm_up: Duration,
    /// Measured.
    pub duration: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Messages that came back whole, in the measured time.
    pub round_trips: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// Nanoseconds from send to the last byte back.
    pub latencies: Histogram<u64>,
    /// Connections that got at least one answer.
    pub served: usize,
    /// What went wrong, a line for each connection that it ended.
    pub errors: Vec<String>,
}

struct Client {
    stream: TcpStream,
    /// Sent and received of the current message.
    sent: usize,
    received: usize,
    begun: Instant,
    served: bool,
    writing: bool,
}

struct Run {
    poller: Box<dyn Poller>,
    clients: Vec<Option<Client>>,
    message: Vec<u8>,
    buffer: Vec<u8>,
    latencies: Histogram<u64>,
    round_trips: u64,
    measuring: bool,
    errors: Vec<String>,
    served: usize,
}

impl Load {
    /// Runs it; `at_start` and `at_end` are called as the measured time begins and ends. Blocks.
    ///
    /// A connection that fails is reported and doesn't end the others.
    ///
    /// # Errors
    /// The driver's. Failing connections are the outcome's.
    pub fn run(&self, at_start: impl FnOnce(), at_end: impl FnOnce()) -> io::Result<Outcome> {
        let mut run = Run::new(self)?;
        run.connect(self);
        run.go_on_until(Instant::now() + self.warm_up)?;
        at_start();
        run.measuring = true;
        let start = Instant::now();
        run.go_on_until(start + self.duration)?;
        let elapsed = start.elapsed();
        at_end();
        Ok(Outcome {
            round_trips: run.round_trips,
            elapsed,
            latencies: run.latencies,
            served: run.served,
            errors: run.errors,
        })
    }
}

impl Run {
    fn new(load: &Load) -> io::Result<Run> {
        let latencies =
            Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)?;
        Ok(Run {
            poller: Driver::best().open()?,
            clients: Vec::new(),
            message: (0..load.message).map(|n| (n % 251) as u8).collect(),
            buffer: vec![0; load.message.max(1)],
            latencies,
            round_trips: 0,
            measuring: false,
            errors: Vec::new(),
            served: 0,
        })
    }

    fn connect(&mut self, load: &Load) {
        for index in 0..load.connections {
            let client =
                TcpStream::connect_timeout(&load.addr, Duration::from_secs(5)).and_then(|stream| {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    let token = Token(index);
                    self.poller
                        .register(stream.as_fd(), token, Interest::READ, Mode::Level)?;
                    Ok(Client {
                        stream,
                        sent: 0,
                        received: 0,
                        begun: Instant::now(),
                        served: false,
                        writing: false,
                    })
                });
            match client {
                Ok(client) => {
                    self.clients.push(Some(client));
                    self.drive(index);
                }
                Err(error) => {
                    self.errors.push(format!("connect: {error}"));
                    self.clients.push(None);
                }
            }
        }
    }

    fn go_on_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.clients.iter().all(Option::is_none) {
                return Ok(());
            }
            self.poller.wait(&mut events, Some(left))?;
            for event in &events {
                self.drive(event.token.0);
            }
        }
    }

    /// Moves one connection on; one that fails is closed.
    fn drive(&mut self, index: usize) {
        let Some(mut client) = self.clients[index].take() else {
            return;
        };
        match self.step(index, &mut client) {
            Ok(()) => self.clients[index] = Some(client),
            Err(error) => {
                // It is open still, so that it is registered.
                let _ = self.poller.unregister(client.stream.as_raw_fd());
                self.errors.push(error.to_string());
            }
        }
    }

    fn step(&mut self, index: usize, client: &mut Client) -> io::Result<()> {
        if client.sent < self.message.len() {
            return self.send(index, client);
        }
        let room = self.message.len() - client.received;
        let length = match client.stream.read(&mut self.buffer[..room]) {
            Ok(0) => return Err(io::Error::other("the server closed the connection")),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.buffer[..length] != self.message[client.received..][..length] {
            return Err(io::Error::other(
                "the server sent other bytes than it was sent",
            ));
        }
        client.received += length;
        if client.received < self.message.len() {
            return Ok(());
        }
        if !std::mem::replace(&mut client.served, true) {
            self.served += 1;
        }
        let now = Instant::now();
        if self.measuring {
            self.round_trips += 1;
            let took = now - client.begun;
            self.latencies
                .saturating_record(took.as_nanos().max(1) as u64);
        }
        client.begun = now;
        client.sent = 0;
        client.received = 0;
        self.send(index, client)
    }

    fn send(&mut self, index: usize, client: &mut Client) -> io::Result<()> {
        while client.sent < self.message.len() {
            match client.stream.write(&self.message[client.sent..]) {
                Ok(length) => client.sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let writing = client.sent < self.message.len();
        if writing != client.writing {
            client.writing = writing;
            let interest = if writing {
                Interest::WRITE
            } else {
                Interest::READ
            };
            let fd = client.stream.as_fd();
            self.poller
                .modify(fd, Token(index), interest, Mode::Level)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn serve(change: impl Fn(&mut [u8]) -> bool + Copy + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let bytes = &mut buffer[..length];
                        if !change(bytes) || stream.write_all(bytes).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        addr
    }

    fn load(addr: SocketAddr, message: usize) -> Outcome {
        let load = Load {
            addr,
            connections: 3,
            message,
            warm_up: Duration::from_millis(20),
            duration: Duration::from_millis(80),
        };
        load.run(|| (), || ()).unwrap()
    }

    #[test]
    fn counts_what_comes_back() {
        for message in [1, 64, 300_000] {
            let outcome = load(serve(|_| true), message);
            assert_eq!(outcome.errors, Vec::<String>::new());
            assert_eq!(outcome.served, 3);
            assert_eq!(outcome.latencies.len(), outcome.round_trips);
        }
    }

    #[test]
    fn notices_changed_bytes_and_hang_ups() {
        let changed = load(
            serve(|bytes| {
                bytes[0] ^= 1;
                true
            }),
            64,
        );
        assert_eq!(changed.errors.len(), 3);
        assert!(
            changed.errors[0].contains("other bytes"),
            "{:?}",
            changed.errors
        );
        let closed = load(serve(|_| false), 64);
        assert_eq!(closed.errors.len(), 3);
        assert_eq!(closed.served, 0);
    }
}
