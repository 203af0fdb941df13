//! Closed loops: each connection sends again when it is answered. The load has to be cheaper than the
//! servers, or it is what is measured: one thread, one edge-triggered epoll, and for a small answer the
//! event is enough, the bytes of many are taken at once.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Connections to one server.
pub struct Clients {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    message: usize,
    /// As many messages as may be under way.
    block: Vec<u8>,
    /// So many bytes of small answers may wait to be taken at once; 0 where each is taken as it comes.
    lazy: usize,
    wait_ms: i32,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of an answer that has not come whole; or bytes of answers that have, and were not taken.
    part: usize,
}

/// Answers this small come in one piece.
const SMALL: usize = 1024;
/// So many of them are taken at once.
const LAZY: usize = 32;

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Clients {
    /// Of no connection yet; `depth` messages of each will be under way at once.
    ///
    /// One that spins has a core to itself and never sleeps, so that no server pays for waking it.
    ///
    /// # Errors
    /// The system's.
    pub fn new(message: usize, depth: usize, spins: bool) -> io::Result<Clients> {
        // SAFETY: a plain system call, whose descriptor is nobody else's.
        let epoll = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if epoll < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(epoll)
        };
        Ok(Clients {
            epoll,
            connections: Vec::new(),
            message,
            block: vec![b'x'; message * depth],
            lazy: match (depth, message) {
                (1, ..=SMALL) => message * LAZY,
                _ => 0,
            },
            wait_ms: if spins { 0 } else { 100 },
        })
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(&mut self, addr: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET) as u32,
            u64: self.connections.len() as u64,
        };
        let (epoll, fd) = (self.epoll.as_raw_fd(), stream.as_raw_fd());
        // SAFETY: both descriptors are open, and the event is only read.
        if unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) } < 0 {
            return Err(io::Error::last_os_error());
        }
        self.connections.push(Connection { stream, part: 0 });
        Ok(())
    }

    /// Sends until a moment, at least once on each connection, and waits until nothing is under way; how
    /// many messages came back.
    ///
    /// # Errors
    /// The system's; `UnexpectedEof` and `TimedOut` for a server that does not answer.
    pub fn drive(&mut self, end: Instant) -> io::Result<u64> {
        let depth = (self.block.len() / self.message) as u64;
        let (mut under_way, mut done) = (0, 0);
        for at in 0..self.connections.len() {
            self.send(at, depth)?;
            under_way += depth;
        }
        // SAFETY: all zeros are valid events.
        let mut events: [libc::epoll_event; 1024] = unsafe { std::mem::zeroed() };
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
            if discard(&connection.stream, due + 1)? != due {
                return Err(io::Error::other(
                    "the server's answers are not what was sent",
                ));
            }
        }
        Ok(())
    }

    fn wait(&self, events: &mut [libc::epoll_event; 1024]) -> io::Result<usize> {
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: room for 1024 events.
        match unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 1024, self.wait_ms) } {
            ready @ 0.. => Ok(ready as usize),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                error => Err(error),
            },
        }
    }

    /// Sends so many messages, and waits for room.
    fn send(&mut self, at: usize, messages: u64) -> io::Result<()> {
        let length = messages as usize * self.message;
        self.connections[at].stream.write_all(&self.block[..length])
    }

    /// Takes what is there; how many answers that makes whole. One that is small is there when it is told,
    /// and most of them are taken later.
    fn receive(&mut self, at: usize) -> io::Result<u64> {
        let connection = &mut self.connections[at];
        if self.lazy > 0 {
            connection.part += self.message;
            if connection.part == self.lazy {
                connection.part -= discard(&connection.stream, self.lazy)?;
            }
            return Ok(1);
        }
        connection.part += discard(&connection.stream, self.block.len() + 1)?;
        let answers = connection.part / self.message;
        connection.part %= self.message;
        Ok(answers as u64)
    }
}

/// Takes at most so many bytes, none if there are none, and copies them nowhere.
fn discard(stream: &TcpStream, most: usize) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: with `MSG_TRUNC`, TCP writes to no buffer.
    match unsafe { libc::recv(stream.as_raw_fd(), std::ptr::null_mut(), most, flags) } {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length @ 1.. => Ok(length as usize),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            error => Err(error),
        },
    }
}
