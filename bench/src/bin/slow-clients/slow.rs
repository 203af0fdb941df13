//! The slow clients, in a process of their own behind all others: they send a part of a request, or a byte a
//! second, or do not read, until the server ends them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use switchboard_bench::epoll::{Epoll, Events, events};

/// The pause between two bytes. The clients' moments are spread over it.
const DRIP: Duration = Duration::from_secs(1);
/// The time over which the connects are spread.
const SPREAD: Duration = Duration::from_secs(4);
/// The time that the server has to find the last of them.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a connect may take, and after how many that took longer no more are tried.
const PATIENCE: Duration = Duration::from_secs(1);
const REFUSED: usize = 5;
/// The time in which a server is to have ended all.
const LIMIT: Duration = Duration::from_secs(85);
/// The time that clients that did not read get to read in the end.
const READING: Duration = Duration::from_secs(15);
/// The key of the commands' events.
const COMMANDS: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    HalfHead,
    DrippedHead,
    HalfBody,
    DrippedBody,
    NoReader,
    /// As much of a head as the server takes, without its end. It is no part of the crowd.
    LongHead,
}

pub const KINDS: [Kind; 5] = [
    Kind::HalfHead,
    Kind::DrippedHead,
    Kind::HalfBody,
    Kind::DrippedBody,
    Kind::NoReader,
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::HalfHead => "half a head",
            Kind::DrippedHead => "a head by one byte a second",
            Kind::HalfBody => "half a body",
            Kind::DrippedBody => "a body by one byte a second",
            Kind::NoReader => "does not read",
            Kind::LongHead => "60 KiB of a head",
        })
    }
}

impl Kind {
    pub fn named(number: usize) -> Option<Kind> {
        KINDS.into_iter().chain([Kind::LongHead]).nth(number)
    }

    fn drips(self) -> bool {
        matches!(self, Kind::DrippedHead | Kind::DrippedBody)
    }

    /// Returns the bytes that a client of this kind sends when it connects.
    fn first(self) -> Vec<u8> {
        let post = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000\r\n\r\n";
        match self {
            Kind::HalfHead => post[..post.len() / 2].into(),
            Kind::DrippedHead => b"G".into(),
            // As much of the body as fits beside it: half of what is seldom more.
            Kind::HalfBody => [post.as_bytes(), &[b'z'; 500]].concat(),
            Kind::DrippedBody => post.into(),
            Kind::NoReader => b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n".into(),
            Kind::LongHead => {
                let field = format!("x: {}\r\n", "y".repeat(1000));
                ["GET / HTTP/1.1\r\n", &field.repeat(60)].concat().into()
            }
        }
    }

    /// The byte that follows so many drips.
    fn drip(self, at: usize) -> u8 {
        // The head has no end: its last field goes on and on.
        let head = b"ET / HTTP/1.1\r\nhost: here\r\nx: ";
        match self {
            Kind::DrippedHead => head.get(at).copied().unwrap_or(b'y'),
            _ => b'z',
        }
    }
}

struct Client {
    kind: Kind,
    stream: Option<TcpStream>,
    begun: Instant,
    dripped: usize,
    /// The first bytes that the server sent.
    status: String,
}

struct Clients {
    epoll: Epoll,
    all: Vec<Client>,
    /// Those that drip, each with the moment of its next byte.
    due: VecDeque<(Instant, usize)>,
    endings: BTreeMap<(Kind, String), (u64, Duration)>,
}

/// Holds slow clients and obeys the parent, which asks (`?`) how many are held, or waits (`w`) until all
/// have been ended, and is told how; it goes when its parent does.
pub fn run(addr: SocketAddr, count: Option<usize>, kinds: &[Kind]) -> io::Result<()> {
    // SAFETY: a plain system call. The timers of this thread become exact.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let count = count.unwrap_or(kinds.len());
    let mut clients = Clients {
        epoll: Epoll::new()?,
        all: Vec::with_capacity(count),
        due: VecDeque::new(),
        endings: BTreeMap::new(),
    };
    let stdin = io::stdin();
    clients.epoll.add(&stdin, libc::EPOLLIN, COMMANDS)?;
    let mut events = events();
    let (begin, mut refused) = (Instant::now(), 0);
    let spread = SPREAD.mul_f64((count as f64 / 9000.0).min(1.0));
    for at in 0..count {
        clients.until(begin + spread * at as u32 / count as u32, &mut events)?;
        if !clients.connect(addr, kinds[at % kinds.len()]) {
            refused += 1;
            if refused == REFUSED {
                break;
            }
        }
    }
    clients.until(Instant::now() + SETTLE, &mut events)?;
    println!("{}", clients.held());
    loop {
        let now = Instant::now();
        match clients.until(now + DRIP, &mut events)? {
            Some(b'?') => println!("{}", clients.held()),
            Some(b'w') => {
                clients.wait(begin + LIMIT, &mut events)?;
                clients.read()?;
                clients.wait(Instant::now() + READING, &mut events)?;
                return clients.report();
            }
            Some(_) => return Ok(()),
            None => {}
        }
    }
}

impl Clients {
    fn held(&self) -> usize {
        self.all.iter().filter(|one| one.stream.is_some()).count()
    }

    /// Connects and sends the first bytes; returns whether the server has taken it.
    fn connect(&mut self, addr: SocketAddr, kind: Kind) -> bool {
        let begun = Instant::now();
        let connected = TcpStream::connect_timeout(&addr, PATIENCE).and_then(|mut stream| {
            abort_on_close(&stream);
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            stream.write_all(&kind.first())?;
            Ok(stream)
        });
        let at = self.all.len();
        let stream = match connected {
            Ok(stream) => stream,
            Err(error) => {
                self.note(kind, format!("not connected: {}", error.kind()), begun);
                return false;
            }
        };
        let flags = match kind {
            Kind::NoReader => libc::EPOLLRDHUP,
            _ => libc::EPOLLIN,
        };
        if self.epoll.add(&stream, flags, at as u64).is_err() {
            return false;
        }
        if kind.drips() {
            self.due.push_back((begun + DRIP, at));
        }
        self.all.push(Client {
            kind,
            stream: Some(stream),
            begun,
            dripped: 0,
            status: String::new(),
        });
        true
    }

    /// Waits until all have been ended, or it is late.
    fn wait(&mut self, end: Instant, events: &mut Events) -> io::Result<()> {
        while self.held() > 0 && Instant::now() < end {
            self.until(Instant::now() + DRIP, events)?;
        }
        Ok(())
    }

    /// Has those read that did not: the end of an answer that was cut is behind what the system holds of it.
    fn read(&mut self) -> io::Result<()> {
        for (at, client) in self.all.iter_mut().enumerate() {
            if let (Kind::NoReader, Some(stream)) = (client.kind, &client.stream) {
                client.status = "an answer that was cut and ".to_owned();
                self.epoll.modify(stream, libc::EPOLLIN, at as u64)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, kind: Kind, ending: String, begun: Instant) {
        let (count, time) = self.endings.entry((kind, ending)).or_default();
        *count += 1;
        *time += begun.elapsed();
    }

    /// Drips and looks at events until a moment, or the parent's command.
    fn until(&mut self, end: Instant, events: &mut Events) -> io::Result<Option<u8>> {
        loop {
            let now = Instant::now();
            while let Some((_, at)) = self.due.pop_front_if(|(due, _)| *due <= now) {
                self.drip(at, now);
            }
            if now >= end {
                return Ok(None);
            }
            let next = self.due.front().map_or(end, |(due, _)| end.min(*due));
            let ready = self.epoll.wait_for(events, next - now)?;
            let mut command = None;
            for event in &events[..ready] {
                if event.u64 == COMMANDS {
                    let mut byte = [0];
                    let read = io::stdin().read(&mut byte)?;
                    command = Some(if read == 0 { 0 } else { byte[0] });
                } else {
                    self.receive(event.u64 as usize);
                }
            }
            if command.is_some() {
                return Ok(command);
            }
        }
    }

    fn drip(&mut self, at: usize, now: Instant) {
        let client = &mut self.all[at];
        if let Some(stream) = &mut client.stream {
            // Whether the server has ended it is for `receive` to see.
            let _ = stream.write(&[client.kind.drip(client.dripped)]);
            client.dripped += 1;
            self.due.push_back((now + DRIP, at));
        }
    }

    fn receive(&mut self, at: usize) {
        let client = &mut self.all[at];
        let Some(stream) = &mut client.stream else {
            return;
        };
        let mut buffer = [0; 64 * 1024];
        let ending = match stream.read(&mut buffer) {
            Ok(0) => format!("{}closed", client.status),
            Ok(_) if client.kind == Kind::NoReader => return,
            Ok(read) => {
                if client.status.is_empty() {
                    let text = String::from_utf8_lossy(&buffer[..read]);
                    client.status = text.chars().take(12).chain(" and ".chars()).collect();
                }
                return;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => format!("{}{}", client.status, error.kind()),
        };
        let (kind, begun) = (client.kind, client.begun);
        client.stream = None;
        self.note(kind, ending, begun);
    }

    /// Tells how the clients of each kind were ended.
    fn report(&mut self) -> io::Result<()> {
        let left: Vec<_> = (0..self.all.len()).collect();
        for at in left {
            if self.all[at].stream.take().is_some() {
                let (kind, begun) = (self.all[at].kind, self.all[at].begun);
                self.note(kind, "was never ended".to_owned(), begun);
            }
        }
        for ((kind, ending), (count, time)) in &self.endings {
            let average = time.as_secs_f64() / *count as f64;
            println!("{kind}: {count} after {average:.1} s: {ending}");
        }
        Ok(())
    }
}

/// Has the system drop the connection without a trace when it is closed: ports run short otherwise.
fn abort_on_close(stream: &TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: a plain system call, which reads so many bytes.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as u32,
        );
    }
}
