//! The back end that proxies stand in front of: it is a part of the load, so that it needs no core of its own
//! and no proxy pays for waking it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use crate::epoll::{Epoll, Events, events};
use crate::exchange::body;

const LISTENER: u64 = u64::MAX;

/// An HTTP server that answers every request with the same bytes.
pub struct Backend {
    listener: TcpListener,
    epoll: Epoll,
    connections: HashMap<u64, TcpStream>,
    answer: Vec<u8>,
    events: Box<Events>,
    /// The key of the next connection.
    next: u64,
}

impl Backend {
    /// Listens on a free port; answers with the [`body`] of `length` bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn new(length: usize) -> io::Result<Backend> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        rustix::net::listen(&listener, 4096)?;
        listener.set_nonblocking(true)?;
        let epoll = Epoll::new()?;
        epoll.add(&listener, libc::EPOLLIN, LISTENER)?;
        Ok(Backend {
            listener,
            epoll,
            connections: HashMap::new(),
            answer: answer(length),
            events: Box::new(events()),
            next: 0,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers the requests that have come; does not wait for any.
    ///
    /// # Errors
    /// The system's. A proxy that closes a connection is none.
    pub fn turn(&mut self) -> io::Result<()> {
        let ready = self.epoll.wait(&mut self.events, 0)?;
        for at in 0..ready {
            match self.events[at].u64 {
                LISTENER => self.accept()?,
                key => self.answer(key),
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            self.epoll.add(&stream, libc::EPOLLIN, self.next)?;
            self.connections.insert(self.next, stream);
            self.next += 1;
        }
        Ok(())
    }

    fn answer(&mut self, key: u64) {
        let Some(stream) = self.connections.get_mut(&key) else {
            return;
        };
        let mut buffer = [0; 4096];
        // A head comes in one piece; the answer has room, since proxies ask for one at a time.
        let served = match stream.read(&mut buffer) {
            Ok(0) | Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) if buffer[..read].ends_with(b"\r\n\r\n") => stream.write_all(&self.answer),
            Ok(_) => Ok(()),
        };
        if served.is_err() {
            self.connections.remove(&key);
        }
    }
}

/// Returns a whole answer with the [`body`] of `length` bytes. It has no date, so that it never changes; another
/// field of the same length stands for it.
pub fn answer(length: usize) -> Vec<u8> {
    let mut answer = head(length).into_bytes();
    answer.extend(body(length));
    answer
}

/// Returns the head of such an answer.
pub fn head(length: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         none: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
    )
}
