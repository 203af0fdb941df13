//! A run of a load: all connections on one poller.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_driver::{Driver, Event, Interest, Mode, Poller, Token};

use super::client::{Client, Tally};
use super::talk::Exchange;
use super::{Load, Outcome, Way};

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
    /// The requests to come, in an open loop.
    schedule: Option<Schedule>,
    /// Time in which nothing was to be done.
    idle: Duration,
    errors: Vec<String>,
}

impl Run {
    pub(super) fn new(load: &Load, way: &Way) -> io::Result<Run> {
        let exchange = Exchange::new(&way.talk, load.addr, load.message, way.depth)?;
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
                depth: way.depth as u64,
                open: way.rate.is_some(),
                buffer: exchange.buffer(),
                exchange,
                measured_from: None,
                round_trips: 0,
                latencies,
                served: 0,
            },
            schedule: way.rate.map(Schedule::new),
            idle: Duration::ZERO,
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

    /// Begins the measured time, and returns when that was.
    pub(super) fn start_measuring(&mut self) -> Instant {
        let start = Instant::now();
        self.tally.measured_from = Some(start);
        self.idle = Duration::ZERO;
        if let Some(schedule) = &mut self.schedule {
            schedule.late = Duration::ZERO;
        }
        start
    }

    pub(super) fn into_outcome(mut self, elapsed: Duration) -> Outcome {
        let from = self.tally.measured_from.unwrap_or_else(Instant::now);
        let end = from + elapsed;
        let mut unanswered = 0;
        if self.tally.open {
            for client in self.clients.iter().flatten() {
                unanswered += self.tally.censor(client, end);
            }
        }
        let Tally {
            round_trips,
            latencies,
            served,
            ..
        } = self.tally;
        let busy = elapsed.saturating_sub(self.idle).as_secs_f64();
        Outcome {
            round_trips,
            elapsed,
            latencies,
            served,
            unanswered,
            busy: busy / elapsed.as_secs_f64().max(1e-9),
            late: self.schedule.map_or(Duration::ZERO, |it| it.late),
            pushed: self.pushed,
            errors: self.errors,
        }
    }

    pub(super) fn run_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = Vec::new();
        while self.alive > 0 {
            let now = Instant::now();
            if now >= end {
                // Those that were due by the end count, however late this is.
                self.release(end, now);
                break;
            }
            let next = self.release(now, now).map_or(end, |next| next.min(end));
            let wait = next.saturating_duration_since(Instant::now());
            // The driver waits for whole milliseconds, rounded up. What is due sooner is polled for.
            let wait = match self.tally.open {
                true if wait < Duration::from_millis(1) => Duration::ZERO,
                true => Duration::from_millis(wait.as_millis() as u64),
                false => wait,
            };
            let began = Instant::now();
            self.poller.wait(&mut events, Some(wait))?;
            if events.is_empty() && wait.is_zero() {
                std::thread::yield_now();
            }
            if events.is_empty() || !wait.is_zero() {
                self.idle += began.elapsed();
            }
            for event in &events {
                match event.token {
                    PUSH => self.push(),
                    _ => self.drive(event),
                }
            }
        }
        Ok(())
    }

    /// Hands out the requests that are due by `end`, one connection after another, and returns when the next is due.
    fn release(&mut self, end: Instant, now: Instant) -> Option<Instant> {
        let mut schedule = self.schedule.take()?;
        let count = self.clients.len();
        while schedule.next() <= end {
            let due = schedule.pass(now);
            let index = (schedule.made - 1) as usize % count;
            if let Some(client) = &mut self.clients[index] {
                client.ask(due);
                let moved = client.go_on(&self.tally);
                self.settle(index, moved);
            }
        }
        let next = schedule.next();
        self.schedule = Some(schedule);
        Some(next)
    }

    /// Continues one connection after an event, and closes it if it fails.
    fn drive(&mut self, event: &Event) {
        let index = event.token.0;
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        let moved = client.step(event, &mut self.tally);
        self.settle(index, moved);
    }

    /// Waits for what a connection needs next, or closes it.
    fn settle(&mut self, index: usize, moved: io::Result<Interest>) {
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        let moved = moved.and_then(|interest| {
            if interest != client.interest {
                client.interest = interest;
                let fd = client.stream.as_fd();
                self.poller
                    .modify(fd, Token(index), interest, Mode::Level)?;
            }
            Ok(())
        });
        if let Err(error) = moved {
            // The socket is still open, so the poller knows it.
            let _ = self.poller.deregister(client.stream.as_raw_fd());
            let answer = self.tally.exchange.answer();
            self.errors.push(client.explain(&error, answer));
            self.clients[index] = None;
            self.alive -= 1;
        }
    }
}

/// The moments at which requests are due: fixed in advance, whatever the answers do.
struct Schedule {
    start: Instant,
    /// Requests a second.
    rate: f64,
    /// Requests handed out.
    made: u64,
    /// The most by which a request was handed out later than it was due.
    late: Duration,
}

impl Schedule {
    fn new(rate: f64) -> Schedule {
        Schedule {
            start: Instant::now(),
            rate,
            made: 0,
            late: Duration::ZERO,
        }
    }

    fn next(&self) -> Instant {
        let after = Duration::try_from_secs_f64(self.made as f64 / self.rate);
        // A request that is due after the end of all clocks is not due in this run.
        let after = after.unwrap_or(Duration::from_secs(u32::MAX.into()));
        self.start + after
    }

    /// Passes one request, and returns when it was due.
    fn pass(&mut self, now: Instant) -> Instant {
        let due = self.next();
        self.late = self.late.max(now.saturating_duration_since(due));
        self.made += 1;
        due
    }
}
