//! Closed loops: each connection sends again when it is answered. One thread and one epoll, a `recv` and
//! a `send` for each round trip, so that the load stays cheap.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

/// Connections to one server.
pub struct Clients {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    message: usize,
    /// As many messages as may be under way.
    block: Vec<u8>,
    received: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of an answer that has not come whole.
    part: usize,
}

/// How long a server may take for one answer.
const PATIENCE_MS: i32 = 10_000;

impl Clients {
    /// Connects; `depth` messages of each are under way at once.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(
        addr: SocketAddr,
        count: usize,
        message: usize,
        depth: usize,
    ) -> io::Result<Clients> {
        // SAFETY: a plain system call, whose descriptor is nobody else's.
        let epoll = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if epoll < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(epoll)
        };
        let mut connections = Vec::with_capacity(count);
        for at in 0..count {
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: at as u64,
            };
            let (epoll, fd) = (epoll.as_raw_fd(), stream.as_raw_fd());
            // SAFETY: both descriptors are open, and the event is only read.
            if unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) } < 0 {
                return Err(io::Error::last_os_error());
            }
            connections.push(Connection { stream, part: 0 });
        }
        Ok(Clients {
            epoll,
            connections,
            message,
            block: vec![b'x'; message * depth],
            received: vec![0; message * depth + 1],
        })
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
            let over = Instant::now() >= end;
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
        Ok(done)
    }

    fn wait(&self, events: &mut [libc::epoll_event; 1024]) -> io::Result<usize> {
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: room for 1024 events.
        match unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 1024, PATIENCE_MS) } {
            0 => Err(io::ErrorKind::TimedOut.into()),
            ready @ 1.. => Ok(ready as usize),
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

    /// Takes what is there; how many answers that makes whole.
    fn receive(&mut self, at: usize) -> io::Result<u64> {
        let connection = &mut self.connections[at];
        let (fd, room) = (connection.stream.as_raw_fd(), self.received.len());
        // SAFETY: the buffer is as long as is said.
        let length = unsafe {
            libc::recv(
                fd,
                self.received.as_mut_ptr().cast(),
                room,
                libc::MSG_DONTWAIT,
            )
        };
        match length {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            1.. => {
                connection.part += length as usize;
                let answers = connection.part / self.message;
                connection.part %= self.message;
                Ok(answers as u64)
            }
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                error => Err(error),
            },
        }
    }
}
