//! The connections of the clients.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use switchboard_bench::epoll::{Epoll, Events, events};

use crate::frame::{self, CLOSE, PING, PONG, PROOF, REQUEST, TEXT, masked};

/// So many clients of an address.
const EACH: usize = 5000;
/// So many clients wait for an answer at once while they connect.
const AT_ONCE: usize = 256;
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing comes once all has come.
const QUIET: Duration = Duration::from_millis(200);

pub struct Wires {
    addr: SocketAddr,
    epoll: Epoll,
    all: Vec<Wire>,
    /// The client that reads nothing.
    frozen: Option<Wire>,
    buffer: Vec<u8>,
    events: Box<Events>,
}

struct Wire {
    stream: TcpStream,
    /// A part of a frame.
    part: Vec<u8>,
    is_open: bool,
}

impl Wires {
    /// What [`wait`](Wires::wait) returns for standard input.
    pub const COMMANDS: usize = usize::MAX;

    pub fn new(addr: SocketAddr) -> io::Result<Wires> {
        let epoll = Epoll::new()?;
        epoll.add(&io::stdin(), libc::EPOLLIN, Wires::COMMANDS as u64)?;
        Ok(Wires {
            addr,
            epoll,
            all: Vec::new(),
            frozen: None,
            buffer: vec![0; 256 * 1024],
            events: Box::new(events()),
        })
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Adds clients, as fast as they come.
    pub fn connect(&mut self, count: usize) -> io::Result<()> {
        let (mut begun, mut done, mut heard) = (0, 0, Instant::now());
        while done < count {
            while begun - done < AT_ONCE && begun < count {
                self.begin()?;
                begun += 1;
            }
            for at in self.wait(100)? {
                heard = Instant::now();
                done += usize::from(self.open(at)?);
            }
            late(heard)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let at = self.all.len();
        let ip = Ipv4Addr::new(127, 0, (at / EACH) as u8, 1);
        let mut stream = TcpStream::connect((ip, self.addr.port()))?;
        stream.set_nodelay(true)?;
        stream.write_all(REQUEST.as_bytes())?;
        self.epoll.add(&stream, libc::EPOLLIN, at as u64)?;
        self.all.push(Wire {
            stream,
            part: Vec::new(),
            is_open: false,
        });
        Ok(())
    }

    /// Has clients send a text each, and waits until each was told what begins as `wants` says.
    pub fn ask(
        &mut self,
        mut clients: Range<usize>,
        text: impl Fn(usize) -> String,
        wants: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        let mut waits: Vec<Option<String>> = vec![None; self.all.len()];
        let (mut under_way, mut heard) = (0, Instant::now());
        while under_way > 0 || !clients.is_empty() {
            while under_way < AT_ONCE
                && let Some(next) = clients.next()
            {
                waits[next] = Some(wants(next));
                self.send(next, &masked(TEXT, text(next).as_bytes()))?;
                under_way += 1;
            }
            for at in self.wait(100)? {
                heard = Instant::now();
                self.take(at, |_, payload| {
                    let got = waits[at]
                        .as_ref()
                        .is_some_and(|it| payload.starts_with(it.as_bytes()));
                    if got {
                        waits[at] = None;
                        under_way -= 1;
                    }
                    Ok(())
                })?;
            }
            late(heard)?;
        }
        Ok(())
    }

    /// Reads the answer to the request; whether it is whole.
    fn open(&mut self, at: usize) -> io::Result<bool> {
        let wire = &mut self.all[at];
        if wire.is_open {
            self.take(at, |_, _| Ok(()))?;
            return Ok(false);
        }
        let read = wire.stream.read(&mut self.buffer)?;
        wire.part.extend_from_slice(&self.buffer[..read]);
        let Some(end) = wire.part.windows(4).position(|four| four == b"\r\n\r\n") else {
            return match read {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(false),
            };
        };
        let head = &wire.part[..end];
        if !head.starts_with(b"HTTP/1.1 101 ") || !head.windows(PROOF.len()).any(|it| it == PROOF) {
            let text = String::from_utf8_lossy(head).into_owned();
            return Err(other(format!("no WebSocket connection: {text}")));
        }
        wire.part = wire.part.split_off(end + 4);
        wire.is_open = true;
        Ok(true)
    }

    /// Waits for events, for so many milliseconds at most.
    pub fn wait(&mut self, milliseconds: i32) -> io::Result<Vec<usize>> {
        let ready = self.epoll.wait(&mut self.events, milliseconds)?;
        Ok(self.events[..ready]
            .iter()
            .map(|event| event.u64 as usize)
            .collect())
    }

    /// Takes what has come on a connection, and calls `told` with each whole text: its frame, and its payload. Answers
    /// pings.
    pub fn take(
        &mut self,
        at: usize,
        mut told: impl FnMut(&[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(Wire { stream, part, .. }) = self.all.get_mut(at) else {
            return Err(other("the process that measures has gone".to_owned()));
        };
        let read = match stream.read(&mut self.buffer) {
            Ok(0) => {
                return Err(other(format!(
                    "the server has ended the connection of u{at}"
                )));
            }
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut bytes = &self.buffer[..read];
        let joined;
        if !part.is_empty() {
            part.extend_from_slice(bytes);
            joined = std::mem::take(part);
            bytes = &joined;
        }
        while let Some((head, length)) = frame::whole(bytes) {
            let (frame, rest) = bytes.split_at(length);
            match frame[0] {
                TEXT => told(frame, &frame[head..])?,
                PING => stream.write_all(&masked(PONG, &frame[head..]))?,
                PONG => {}
                CLOSE => {
                    let why = String::from_utf8_lossy(frame.get(head + 2..).unwrap_or_default());
                    return Err(other(format!("the server has closed u{at}: {why}")));
                }
                first => return Err(other(format!("a frame that begins with {first:#x}"))),
            }
            bytes = rest;
        }
        part.extend_from_slice(bytes);
        Ok(())
    }

    pub fn send(&mut self, at: usize, frame: &[u8]) -> io::Result<()> {
        self.all[at].stream.write_all(frame)
    }

    /// Stops reading what the newest client is sent.
    pub fn freeze(&mut self) -> io::Result<()> {
        self.frozen = self.all.pop();
        self.frozen
            .iter()
            .try_for_each(|wire| self.epoll.remove(&wire.stream))
    }

    /// Has the frozen client give a sign, so that it is not taken for dead.
    pub fn sign(&mut self) {
        if let Some(wire) = &mut self.frozen {
            // It may be cut.
            let _ = wire.stream.write_all(&masked(PONG, b""));
        }
    }

    /// Reads what the frozen client was sent. Returns whether it was cut, and is gone.
    pub fn thaw(&mut self) -> io::Result<bool> {
        let Some(wire) = self.frozen.take() else {
            return Ok(false);
        };
        let last = self.all.len();
        self.epoll.add(&wire.stream, libc::EPOLLIN, last as u64)?;
        self.all.push(wire);
        let mut heard = Instant::now();
        while heard.elapsed() < QUIET {
            for at in self.wait(20)? {
                let taken = self.take(at, |_, _| Ok(()));
                if at == last && taken.is_err() {
                    self.all.pop();
                    return Ok(true);
                }
                taken?;
                heard = Instant::now();
            }
        }
        Ok(false)
    }

    /// Takes what comes for a while.
    pub fn pause(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            for at in self.wait(10)? {
                self.take(at, |_, _| Ok(()))?;
            }
        }
        Ok(())
    }

    /// Takes what comes, until nothing does.
    pub fn settle(&mut self) -> io::Result<()> {
        let mut heard = Instant::now();
        while heard.elapsed() < QUIET {
            for at in self.wait(20)? {
                self.take(at, |_, _| Ok(()))?;
                heard = Instant::now();
            }
        }
        Ok(())
    }
}

/// Refuses to wait any longer for what nothing comes of.
pub fn late(heard: Instant) -> io::Result<()> {
    match heard.elapsed() > PATIENCE {
        true => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "nothing came for 10 s",
        )),
        false => Ok(()),
    }
}

pub fn other(text: String) -> io::Error {
    io::Error::other(text)
}
