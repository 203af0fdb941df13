//! A closed-loop echo client: each connection sends a message, waits for the whole of it to come
//! back, checks it, and sends the next. One thread, one wait for all, one `recv` and one `send` a
//! round trip, so that the client is not what is measured.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::net::{AddressFamily, SocketType};
use switchboard_driver::{Driver, Event, Interest, Mode, Poller, Token};

use crate::wave::Wave;

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
    /// One more connection, which sends as much as it can and reads what comes back.
    pub push: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Messages that came back whole, in the measured time.
    pub round_trips: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// Of each round trip, nanoseconds from its send, maybe in the warm-up, to its last byte.
    pub latencies: Histogram<u64>,
    /// Connections that got at least one answer.
    pub served: usize,
    /// Bytes that the pushing connection got back.
    pub pushed: u64,
    /// What went wrong, a line for each connection that it ended. To wait in vain, for an answer or
    /// in the listen queue, is no error.
    pub errors: Vec<String>,
}

impl Load {
    /// Runs it; `at_start` and `at_end` are called as the measured time begins and ends. Blocks.
    ///
    /// A connection that fails is reported and doesn't end the others. When none is left, the run
    /// ends early.
    ///
    /// # Errors
    /// The driver's; `InvalidInput` for messages of no bytes. Failing connections are the outcome's.
    pub fn run(&self, at_start: impl FnOnce(), at_end: impl FnOnce()) -> io::Result<Outcome> {
        self.run_pipelined(1, at_start, at_end)
    }

    /// [`run`](Load::run) with `depth` messages of each connection under way at once.
    ///
    /// # Errors
    /// As [`run`](Load::run); `InvalidInput` for a depth of 0, or one that no memory could hold.
    pub fn run_pipelined(
        &self,
        depth: usize,
        at_start: impl FnOnce(),
        at_end: impl FnOnce(),
    ) -> io::Result<Outcome> {
        if matches!(self.message.checked_mul(depth), None | Some(0)) {
            let text = "a load needs messages of at least one byte, one or more at once, no more \
                        than memory could hold";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut run = Run::new(self, depth)?;
        run.connect(self);
        if self.push {
            run.connect_push(self.addr)?;
        }
        run.go_on_until(Instant::now() + self.warm_up)?;
        at_start();
        run.tally.measuring = true;
        let start = Instant::now();
        run.go_on_until(start + self.duration)?;
        let elapsed = start.elapsed();
        at_end();
        let Tally {
            round_trips,
            latencies,
            served,
            ..
        } = run.tally;
        Ok(Outcome {
            round_trips,
            elapsed,
            latencies,
            served,
            pushed: run.pushed,
            errors: run.errors,
        })
    }
}

/// The token of the connection that pushes.
const PUSH: Token = Token(usize::MAX - 1);

struct Run {
    push: Option<TcpStream>,
    block: Vec<u8>,
    pushed: u64,
    poller: Box<dyn Poller>,
    /// By token; none where it failed.
    clients: Vec<Option<Client>>,
    alive: usize,
    tally: Tally,
    errors: Vec<String>,
}

/// What all clients share.
struct Tally {
    message: u64,
    depth: u64,
    wave: Wave,
    buffer: Vec<u8>,
    measuring: bool,
    round_trips: u64,
    latencies: Histogram<u64>,
    served: usize,
}

impl Run {
    fn new(load: &Load, depth: usize) -> io::Result<Run> {
        // One byte more than may be due, to see what is not.
        let wave = Wave::new(load.message.saturating_mul(depth).saturating_add(1));
        let latencies =
            Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)?;
        Ok(Run {
            push: None,
            block: vec![7; 64 * 1024],
            pushed: 0,
            poller: Driver::best().open()?,
            clients: Vec::with_capacity(load.connections),
            alive: 0,
            tally: Tally {
                message: load.message as u64,
                depth: depth as u64,
                buffer: vec![0; wave.chunk()],
                wave,
                measuring: false,
                round_trips: 0,
                latencies,
                served: 0,
            },
            errors: Vec::new(),
        })
    }

    fn connect(&mut self, load: &Load) {
        for index in 0..load.connections {
            let client = Client::connect(load.addr, index).and_then(|client| {
                let fd = client.stream.as_fd();
                self.poller
                    .register(fd, Token(index), client.interest, Mode::Level)?;
                Ok(client)
            });
            match client {
                Ok(client) => {
                    self.alive += 1;
                    self.clients.push(Some(client));
                }
                Err(error) => {
                    self.errors
                        .push(format!("connect to {}: {error}", load.addr));
                    self.clients.push(None);
                }
            }
        }
    }

    fn connect_push(&mut self, addr: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
        stream.set_nonblocking(true)?;
        let both = Interest::READ | Interest::WRITE;
        self.poller
            .register(stream.as_fd(), PUSH, both, Mode::Level)?;
        self.push = Some(stream);
        Ok(())
    }

    /// Takes a block and sends a block, so that neither direction starves the small clients here.
    fn push(&mut self) {
        let Some(mut stream) = self.push.as_ref() else {
            return;
        };
        let moved = match stream.read(&mut self.block) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.pushed += length as u64;
                stream.write(&self.block)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.write(&self.block),
            Err(error) => Err(error),
        };
        match moved {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.errors.push(format!("the pushing connection: {error}"));
                let _ = self.poller.deregister(stream.as_raw_fd());
                self.push = None;
            }
        }
    }

    fn go_on_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = Vec::new();
        while self.alive > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.poller.wait(&mut events, Some(left))?;
            for event in &events {
                match event.token {
                    PUSH => self.push(),
                    _ => self.drive(event),
                }
            }
        }
        Ok(())
    }

    /// Moves one connection on; one that fails is closed.
    fn drive(&mut self, event: &Event) {
        let index = event.token.0;
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        let moved = client.step(event, &mut self.tally).and_then(|interest| {
            if interest != client.interest {
                client.interest = interest;
                let fd = client.stream.as_fd();
                self.poller.modify(fd, event.token, interest, Mode::Level)?;
            }
            Ok(())
        });
        if let Err(error) = moved {
            // It is open still, so that it is registered.
            let _ = self.poller.deregister(client.stream.as_raw_fd());
            self.errors.push(client.explain(&error, self.tally.message));
            self.clients[index] = None;
            self.alive -= 1;
        }
    }
}

struct Client {
    stream: TcpStream,
    /// Its place in the wave, which makes its bytes its own.
    phase: u64,
    connected: bool,
    /// Bytes so far; never more than `depth` messages apart.
    sent: u64,
    received: u64,
    /// When the messages under way were due to be sent, the oldest first.
    begun: VecDeque<Instant>,
    interest: Interest,
}

impl Client {
    /// Begins to connect, without waiting: the queue of a server may be full for good.
    fn connect(addr: SocketAddr, index: usize) -> io::Result<Client> {
        let family = match addr {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let stream = TcpStream::from(rustix::net::socket(family, SocketType::STREAM, None)?);
        rustix::io::fcntl_setfd(&stream, rustix::io::FdFlags::CLOEXEC)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        match rustix::net::connect(&stream, &addr) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Client {
            stream,
            phase: Wave::phase(index),
            connected: false,
            sent: 0,
            received: 0,
            begun: VecDeque::new(),
            interest: Interest::WRITE,
        })
    }

    /// Makes one `recv` and one `send`, as far as there is something to take and leave to send more.
    /// Gives what to wait for next.
    fn step(&mut self, event: &Event, tally: &mut Tally) -> io::Result<Interest> {
        if !self.connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            // Whatever was reported, the send below finds out.
            self.connected = true;
            let now = Instant::now();
            self.begun.extend((0..tally.depth).map(|_| now));
        } else if event.ready.is_readable() {
            self.receive(tally)?;
        }
        let due = (self.received / tally.message + tally.depth) * tally.message;
        if self.sent < due {
            self.send(due, tally)?;
        }
        // Reads go on while a send waits for room, since the server may be waiting for the same.
        Ok(match self.sent < due {
            true => Interest::READ | Interest::WRITE,
            false => Interest::READ,
        })
    }

    fn receive(&mut self, tally: &mut Tally) -> io::Result<()> {
        let under_way = (self.sent - self.received) as usize;
        let room = tally.buffer.len().min(under_way.saturating_add(1));
        let length = match self.stream.read(&mut tally.buffer[..room]) {
            Ok(0) => return Err(io::Error::other("the server closed the connection")),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if length > under_way {
            return Err(io::Error::other("the server sent more than it was sent"));
        }
        if tally.buffer[..length] != *tally.wave.at(self.phase + self.received, length) {
            return Err(io::Error::other(
                "the server sent other bytes than it was sent",
            ));
        }
        let before = self.received / tally.message;
        self.received += length as u64;
        let whole = self.received / tally.message - before;
        if whole > 0 {
            self.complete(whole, before == 0, tally);
        }
        Ok(())
    }

    fn complete(&mut self, whole: u64, first: bool, tally: &mut Tally) {
        let now = Instant::now();
        tally.served += usize::from(first);
        for _ in 0..whole {
            let begun = self.begun.pop_front();
            self.begun.push_back(now);
            if let Some(begun) = begun.filter(|_| tally.measuring) {
                let took = (now - begun).as_nanos() as u64;
                tally.latencies.saturating_record(took.max(1));
                tally.round_trips += 1;
            }
        }
    }

    fn send(&mut self, due: u64, tally: &Tally) -> io::Result<()> {
        let length = (due - self.sent).min(tally.wave.chunk() as u64) as usize;
        match self
            .stream
            .write(tally.wave.at(self.phase + self.sent, length))
        {
            Ok(length) => self.sent += length as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn explain(&self, error: &io::Error, message: u64) -> String {
        match (self.connected, self.received / message) {
            (false, _) => format!("connect: {error}"),
            (true, 0) => format!("before the first answer: {error}"),
            (true, answers) => format!("after {answers} answers: {error}"),
        }
    }
}
