//! One connection of a crowd.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Instant;

use switchboard_driver::{Interest, Ready};

use super::Says;
use super::exchange::Answer;
use super::setup::Sources;
use crate::connect::connect;

pub(super) struct Client {
    /// The number of its group.
    pub(super) group: usize,
    /// Its number in the group.
    pub(super) index: usize,
    pub(super) stream: Option<TcpStream>,
    pub(super) connected: bool,
    /// What the poller knows.
    pub(super) interest: Interest,
    request: Rc<[u8]>,
    sent: usize,
    /// So many bytes of the request may be sent.
    allowed: usize,
    answer: Answer,
    /// Whether a request was begun and is not answered.
    pub(super) asking: bool,
    /// When the request under way was due, or the next one is.
    pub(super) due: Instant,
    pub(super) requests: u64,
    pub(super) served: bool,
}

impl Client {
    pub(super) fn new(group: usize, index: usize, due: Instant) -> Client {
        Client {
            group,
            index,
            stream: None,
            connected: false,
            interest: Interest::WRITE,
            request: Rc::from([]),
            sent: 0,
            allowed: 0,
            answer: Answer::Echo(0),
            asking: false,
            due,
            requests: 0,
            served: false,
        }
    }

    /// Begins to connect and does not wait.
    pub(super) fn connect(
        &mut self,
        addr: SocketAddr,
        sources: Option<&Sources>,
    ) -> io::Result<()> {
        let sources = sources.filter(|_| addr.ip().is_loopback() && addr.is_ipv4());
        let stream = connect(addr, |stream| match sources {
            Some(sources) => sources.bind(stream),
            None => Ok(()),
        })?;
        self.connected = false;
        self.interest = Interest::WRITE;
        self.stream = Some(stream);
        Ok(())
    }

    /// Returns the last request, if the next one is the same.
    pub(super) fn request_again(&self, says: &Says) -> Option<Rc<[u8]>> {
        let same = matches!(says, Says::Echo(length) if *length == self.request.len());
        same.then(|| Rc::clone(&self.request))
    }

    /// Notes a request, of which `allowed` bytes may be sent.
    pub(super) fn ask(&mut self, request: Rc<[u8]>, allowed: usize, answer: Answer, due: Instant) {
        self.request = request;
        self.allowed = allowed;
        self.answer = answer;
        self.sent = 0;
        self.due = due;
        self.asking = true;
        self.requests += 1;
    }

    /// Allows one more byte; not the last one.
    pub(super) fn allow_one(&mut self) {
        let most = self.request.len().saturating_sub(1);
        self.allowed = (self.allowed + 1).min(most);
    }

    /// Makes at most one call of each kind after an event. Returns whether the answer is whole now.
    pub(super) fn step(&mut self, ready: Ready, buffer: &mut [u8]) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        if !self.connected {
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            self.connected = true;
        } else if ready.is_readable() {
            match stream.read(buffer) {
                Ok(0) => return Err(io::Error::other("the server closed the connection")),
                Ok(_) if !self.asking => {
                    return Err(io::Error::other("the server said something unasked"));
                }
                Ok(length) => {
                    if self.answer.take(&buffer[..length], &self.request)? {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        self.send()?;
        Ok(false)
    }

    /// Sends what may be sent and does not wait.
    pub(super) fn send(&mut self) -> io::Result<()> {
        let Some(stream) = self.stream.as_mut().filter(|_| self.connected) else {
            return Ok(());
        };
        if self.asking && self.sent < self.allowed {
            match stream.write(&self.request[self.sent..self.allowed]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns the interest to wait with. While a send waits, reads go on: the server may be waiting, too.
    pub(super) fn wanted(&self) -> Interest {
        match (self.connected, self.asking && self.sent < self.allowed) {
            (false, _) => Interest::WRITE,
            (true, true) => Interest::READ | Interest::WRITE,
            (true, false) => Interest::READ,
        }
    }
}
