//! One connection of a load: sends messages, checks what comes back, and counts.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_driver::{Event, Interest};

use super::talk::Exchange;
use super::wave::Wave;
use crate::connect::connect;

/// The settings, buffers and counts that all clients of a run share.
pub(super) struct Tally {
    pub(super) exchange: Exchange,
    /// Requests that each connection has under way; in an open loop, those that may be.
    pub(super) depth: u64,
    /// Whether requests are due by a schedule, and not when an answer has come.
    pub(super) open: bool,
    pub(super) buffer: Vec<u8>,
    /// When the measured time began; `None` in the warm-up.
    pub(super) measured_from: Option<Instant>,
    pub(super) round_trips: u64,
    pub(super) latencies: Histogram<u64>,
    /// Clients that got at least one message back.
    pub(super) served: usize,
}

pub(super) struct Client {
    pub(super) stream: TcpStream,
    /// Where this client's bytes begin in the wave, so that they differ from other clients' bytes.
    phase: u64,
    connected: bool,
    /// Requests that may be sent, of all so far.
    asked: u64,
    /// Bytes sent so far.
    sent: u64,
    /// Bytes received so far.
    received: u64,
    /// When each request under way was due, the oldest first.
    begun: VecDeque<Instant>,
    /// When each request was due that waits for the answer to an earlier one; only in an open loop.
    owed: VecDeque<Instant>,
    pub(super) interest: Interest,
}

impl Client {
    /// Begins to connect and does not wait.
    pub(super) fn connect(addr: SocketAddr, index: usize) -> io::Result<Client> {
        let stream = connect(addr, |_| Ok(()))?;
        Ok(Client {
            stream,
            phase: Wave::phase(index),
            connected: false,
            asked: 0,
            sent: 0,
            received: 0,
            begun: VecDeque::new(),
            owed: VecDeque::new(),
            interest: Interest::WRITE,
        })
    }

    /// Makes at most one `recv` and one `send` after an event. Returns the interest to wait with.
    pub(super) fn step(&mut self, event: &Event, tally: &mut Tally) -> io::Result<Interest> {
        if !self.connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            // If the event was spurious, the send below would block and is repeated.
            self.connected = true;
            if !tally.open {
                let now = Instant::now();
                (0..tally.depth).for_each(|_| self.ask(now));
            }
            self.fill(tally.depth);
        } else if event.ready.is_readable() {
            self.receive(tally)?;
        }
        self.send(tally)
    }

    /// Makes a request that was due at `due`, once it is its turn.
    pub(super) fn ask(&mut self, due: Instant) {
        self.owed.push_back(due);
    }

    /// Makes the requests whose turn it is, after some were due. Returns the interest to wait with.
    pub(super) fn go_on(&mut self, tally: &Tally) -> io::Result<Interest> {
        if !self.connected {
            return Ok(self.interest);
        }
        self.fill(tally.depth);
        self.send(tally)
    }

    /// Returns when the requests were due that have no answer.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = Instant> {
        self.begun.iter().chain(&self.owed).copied()
    }

    /// Puts requests under way as long as there is room.
    fn fill(&mut self, depth: u64) {
        while (self.begun.len() as u64) < depth
            && let Some(due) = self.owed.pop_front()
        {
            self.begun.push_back(due);
            self.asked += 1;
        }
    }

    fn receive(&mut self, tally: &mut Tally) -> io::Result<()> {
        let answer = tally.exchange.answer();
        let under_way = tally.exchange.most(self.sent) - self.received;
        let under_way = usize::try_from(under_way).unwrap_or(usize::MAX);
        // One byte more than is expected, to notice a server that sends too much.
        let capacity = tally.buffer.len().min(under_way.saturating_add(1));
        let length = match self.stream.read(&mut tally.buffer[..capacity]) {
            Ok(0) => return Err(io::Error::other("the server closed the connection")),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if length > under_way {
            return Err(io::Error::other("the server sent more than it was sent"));
        }
        let bytes = &tally.buffer[..length];
        if !tally.exchange.is_right(self.phase, self.received, bytes) {
            return Err(io::Error::other(
                "the server sent other bytes than it was sent",
            ));
        }
        let before = self.received / answer;
        self.received += length as u64;
        let whole = self.received / answer - before;
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
            if !tally.open {
                self.ask(now);
            }
            if let Some(begun) = begun
                && tally.counts(begun)
            {
                tally.record(now - begun);
            }
        }
        self.fill(tally.depth);
    }

    /// Makes at most one `send`. Returns the interest to wait with.
    fn send(&mut self, tally: &Tally) -> io::Result<Interest> {
        let due = self.asked * tally.exchange.request();
        if self.sent < due {
            let bytes = tally.exchange.bytes(self.phase, self.sent, due);
            match self.stream.write(bytes) {
                Ok(length) => self.sent += length as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        // While a send waits, reads go on: the server may be waiting until it can send, too.
        Ok(match self.sent < due {
            true => Interest::READ | Interest::WRITE,
            false => Interest::READ,
        })
    }

    pub(super) fn explain(&self, error: &io::Error, answer: u64) -> String {
        match (self.connected, self.received / answer) {
            (false, _) => format!("connect: {error}"),
            (true, 0) => format!("before the first answer: {error}"),
            (true, answers) => format!("after {answers} answers: {error}"),
        }
    }
}

impl Tally {
    /// Returns whether a request that was due then counts: in an open loop, those that were due in the measured
    /// time; in a closed one, all whose answers come in it.
    fn counts(&self, due: Instant) -> bool {
        match self.measured_from {
            None => false,
            Some(from) => !self.open || due >= from,
        }
    }

    fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(nanos.max(1));
        self.round_trips += 1;
    }

    /// Records for the requests that have no answer how long they have waited by `end`, and returns how many
    /// there are.
    pub(super) fn censor(&mut self, client: &Client, end: Instant) -> u64 {
        let mut count = 0;
        for due in client.unanswered().filter(|due| *due <= end) {
            if self.counts(due) {
                let nanos = u64::try_from((end - due).as_nanos()).unwrap_or(u64::MAX);
                self.latencies.saturating_record(nanos.max(1));
                count += 1;
            }
        }
        count
    }
}
