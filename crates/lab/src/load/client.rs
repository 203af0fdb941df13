//! One connection of a load: sends messages, checks what comes back, and counts.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use hdrhistogram::Histogram;
use rustix::net::{AddressFamily, SocketType};
use switchboard_driver::{Event, Interest};

use super::wave::Wave;

/// The settings, buffers and counts that all clients of a run share.
pub(super) struct Tally {
    /// Bytes of a message.
    pub(super) message: u64,
    /// Messages that each connection has under way.
    pub(super) depth: u64,
    pub(super) wave: Wave,
    pub(super) buffer: Vec<u8>,
    /// Whether round trips count: false in the warm-up.
    pub(super) measuring: bool,
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
    /// Bytes sent so far; at most `depth` messages more than were received.
    sent: u64,
    /// Bytes received so far.
    received: u64,
    /// When each message under way could have been sent, the oldest first.
    begun: VecDeque<Instant>,
    pub(super) interest: Interest,
}

impl Client {
    /// Begins to connect and does not wait, because the listen queue may stay full.
    pub(super) fn connect(addr: SocketAddr, index: usize) -> io::Result<Client> {
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

    /// Makes at most one `recv` and one `send` after an event. Returns the interest to wait with.
    pub(super) fn step(&mut self, event: &Event, tally: &mut Tally) -> io::Result<Interest> {
        if !self.connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            // If the event was spurious, the send below would block and is repeated.
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
        // While a send waits, reads go on: the server may be waiting until it can send, too.
        Ok(match self.sent < due {
            true => Interest::READ | Interest::WRITE,
            false => Interest::READ,
        })
    }

    fn receive(&mut self, tally: &mut Tally) -> io::Result<()> {
        let under_way = (self.sent - self.received) as usize;
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

    pub(super) fn explain(&self, error: &io::Error, message: u64) -> String {
        match (self.connected, self.received / message) {
            (false, _) => format!("connect: {error}"),
            (true, 0) => format!("before the first answer: {error}"),
            (true, answers) => format!("after {answers} answers: {error}"),
        }
    }
}
