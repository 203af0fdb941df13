//! Closed loops: each connection sends again when it is answered. The load has to be cheaper than the
//! servers, or it is what is measured: one thread, one edge-triggered epoll, and for a small answer the
//! event is enough, the bytes of many are taken at once.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::epoll::{Epoll, Events, events};
use crate::exchange::{Exchange, SMALL};

/// Connections to one server.
pub struct Clients {
    epoll: Epoll,
    connections: Vec<Connection>,
    exchange: Exchange,
    /// As many requests as may be under way.
    block: Vec<u8>,
    /// So many bytes of small answers may wait to be taken at once; 0 where each is taken as it comes.
    lazy: usize,
    buffer: Vec<u8>,
    wait_ms: i32,
    /// The back end of the server, if it is a proxy.
    backend: Option<Backend>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of an answer that has not come whole; or bytes of answers that have, and were not taken.
    part: usize,
}

/// So many small answers are taken at once.
const LAZY: usize = 32;

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Clients {
    /// Of no connection yet; `depth` requests of each will be under way at once.
    ///
    /// One that spins has a core to itself and never sleeps, so that no server pays for waking it.
    ///
    /// # Errors
    /// The system's.
    pub fn new(exchange: Exchange, depth: usize, spins: bool) -> io::Result<Clients> {
        Ok(Clients {
            epoll: Epoll::new()?,
            connections: Vec::new(),
            block: exchange.request.repeat(depth),
            lazy: match (depth, exchange.answer) {
                (1, ..=SMALL) => exchange.answer * LAZY,
                _ => 0,
            },
            buffer: vec![0; SMALL * LAZY],
            exchange,
            wait_ms: if spins { 0 } else { 100 },
            backend: None,
        })
    }

    /// The same, which also serve the back end of their proxy, and so spin.
    #[must_use]
    pub fn serving(mut self, backend: Backend) -> Clients {
        self.backend = Some(backend);
        self.wait_ms = 0;
        self
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(&mut self, addr: SocketAddr) -> io::Result<()> {
        self.add(TcpStream::connect(addr)?)
    }

    /// Adds a connection that has been made.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let key = self.connections.len() as u64;
        self.epoll
            .add(&stream, libc::EPOLLIN | libc::EPOLLET, key)?;
        self.connections.push(Connection { stream, part: 0 });
        Ok(())
    }

    /// Sends until a moment, at least once on each connection, and waits until nothing is under way; how
    /// many answers came back.
    ///
    /// # Errors
    /// The system's; `UnexpectedEof` and `TimedOut` for a server that does not answer; `InvalidData` for one
    /// that answers something else.
    pub fn drive(&mut self, end: Instant) -> io::Result<u64> {
        let depth = (self.block.len() / self.exchange.request.len()) as u64;
        let (mut under_way, mut done) = (0, 0);
        for at in 0..self.connections.len() {
            self.send(at, depth)?;
            under_way += depth;
        }
        let mut events = events();
        while under_way > 0 {
            let ready = self.wait(&mut events)?;
            let now = Instant::now();
            let over = now >= end;
            if ready == 0 && now >= end + PATIENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
            for event in &events[..ready] {
                let at = event.u64 as usize;
                let answers = self.receive(at)?;
                done += answers;
                if over {
                    under_way -= answers;
                } else {
                    self.send(at, answers)?;
                }
            }
        }
        self.settle()?;
        Ok(done)
    }

    /// Takes what is left to take, and sees that it is what was counted.
    fn settle(&mut self) -> io::Result<()> {
        for connection in self.connections.iter_mut().filter(|one| one.part > 0) {
            let due = std::mem::take(&mut connection.part);
            let taken = self
                .exchange
                .take(&connection.stream, 0, due + 1, &mut self.buffer)?;
            if taken != due {
                return Err(io::Error::other(
                    "the server's answers are not what was expected",
                ));
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<usize> {
        if let Some(backend) = &mut self.backend {
            backend.turn()?;
        }
        self.epoll.wait(events, self.wait_ms)
    }

    /// Sends so many requests, and waits for room.
    fn send(&mut self, at: usize, requests: u64) -> io::Result<()> {
        let length = requests as usize * self.exchange.request.len();
        self.connections[at].stream.write_all(&self.block[..length])
    }

    /// Takes what is there; how many answers that makes whole. One that is small is there when it is told,
    /// and most of them are taken later.
    fn receive(&mut self, at: usize) -> io::Result<u64> {
        let Connection { stream, part } = &mut self.connections[at];
        let (exchange, answer) = (&self.exchange, self.exchange.answer);
        if self.lazy > 0 {
            *part += answer;
            if *part == self.lazy {
                *part -= exchange.take(stream, 0, self.lazy, &mut self.buffer)?;
            }
            return Ok(1);
        }
        let depth = self.block.len() / exchange.request.len();
        *part += exchange.take(stream, *part, answer * depth + 1, &mut self.buffer)?;
        let answers = *part / answer;
        *part %= answer;
        Ok(answers as u64)
    }
}
