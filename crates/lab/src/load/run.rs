//! A run of a load: all connections on one poller.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_driver::{Driver, Event, Interest, Mode, Poller, Token};

use super::client::{Client, Tally};
use super::wave::Wave;
use super::{Load, Outcome};

/// The token of the pushing connection.
const PUSH: Token = Token(usize::MAX - 1);

pub(super) struct Run {
    /// The connection that pushes, if one was asked for and has not failed.
    push: Option<TcpStream>,
    block: Vec<u8>,
    pushed: u64,
    poller: Box<dyn Poller>,
    /// Indexed by token; `None` after a failure.
    clients: Vec<Option<Client>>,
    alive: usize,
    tally: Tally,
    errors: Vec<String>,
}

impl Run {
    pub(super) fn new(load: &Load, depth: usize) -> io::Result<Run> {
        // One byte more than is expected, to notice a server that sends too much.
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

    pub(super) fn connect(&mut self, load: &Load) {
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

    pub(super) fn connect_push(&mut self, addr: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
        stream.set_nonblocking(true)?;
        let both = Interest::READ | Interest::WRITE;
        self.poller
            .register(stream.as_fd(), PUSH, both, Mode::Level)?;
        self.push = Some(stream);
        Ok(())
    }

    /// Receives at most one block and sends at most one, so that the other connections get their turns.
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

    pub(super) fn start_measuring(&mut self) {
        self.tally.measuring = true;
    }

    pub(super) fn into_outcome(self, elapsed: Duration) -> Outcome {
        let Tally {
            round_trips,
            latencies,
            served,
            ..
        } = self.tally;
        Outcome {
            round_trips,
            elapsed,
            latencies,
            served,
            pushed: self.pushed,
            errors: self.errors,
        }
    }

    pub(super) fn run_until(&mut self, end: Instant) -> io::Result<()> {
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

    /// Continues one connection after an event, and closes it if it fails.
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
            // The socket is still open, so the poller knows it.
            let _ = self.poller.deregister(client.stream.as_raw_fd());
            self.errors.push(client.explain(&error, self.tally.message));
            self.clients[index] = None;
            self.alive -= 1;
        }
    }
}
