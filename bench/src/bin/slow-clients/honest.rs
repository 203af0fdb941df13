//! The honest clients: each asks at its own moments, whether or not the answer before came in time.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_bench::epoll::{Epoll, Events, events};

/// The pause between two requests of a client; the clients' moments are spread over it evenly.
const PAUSE: Duration = Duration::from_millis(20);
/// The time that the clients take to connect, in which nothing is noted.
const WARM: Duration = Duration::from_millis(500);
/// The time that answers have after the last request was due.
const GRACE: Duration = Duration::from_secs(1);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

/// The answers that honest clients got, and how long each took.
pub struct Seen {
    /// Microseconds from the moment when a request was due to the end of its answer.
    pub latencies: Histogram<u64>,
    /// Microseconds from that moment to the moment when it was sent: the load's own share.
    pub late: Histogram<u64>,
    /// Requests that were due and had no answer with status 200 in the end.
    pub unanswered: u64,
    /// Clients that had an answer.
    pub served: usize,
}

impl Seen {
    /// Returns a quantile of the latencies in milliseconds.
    pub fn ms(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1000.0
    }
}

struct Client {
    stream: Option<TcpStream>,
    answer: Vec<u8>,
    /// The moments of the requests that have no answer yet; the first one has been sent.
    due: VecDeque<Instant>,
    served: bool,
}

struct Clients {
    addr: SocketAddr,
    epoll: Epoll,
    all: Vec<Client>,
    /// Requests that were due before are not noted.
    from: Instant,
    seen: Seen,
}

/// Asks for `time`.
pub fn ask(addr: SocketAddr, clients: usize, time: Duration) -> io::Result<Seen> {
    // SAFETY: a plain system call. The timers of this thread become exact.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let histogram = || Histogram::<u64>::new(3).map_err(io::Error::other);
    let client = |_| Client {
        stream: None,
        answer: Vec::new(),
        due: VecDeque::new(),
        served: false,
    };
    let mut clients = Clients {
        addr,
        epoll: Epoll::new()?,
        all: (0..clients).map(client).collect(),
        from: Instant::now() + WARM,
        seen: Seen {
            latencies: histogram()?,
            late: histogram()?,
            unanswered: 0,
            served: 0,
        },
    };
    clients.run(time)?;
    let mut seen = clients.seen;
    for client in &clients.all {
        seen.unanswered += client.due.len() as u64;
        seen.served += usize::from(client.served);
    }
    Ok(seen)
}

impl Clients {
    fn run(&mut self, time: Duration) -> io::Result<()> {
        let mut events = events();
        let begin = Instant::now();
        let gap = PAUSE / self.all.len() as u32;
        let end = self.from + time;
        let mut asked = 0;
        loop {
            let now = Instant::now();
            let due = begin + gap * asked;
            if due < end {
                if now >= due {
                    self.due(asked as usize % self.all.len(), due);
                    asked += 1;
                    continue;
                }
                self.turn(&mut events, due - now)?;
            } else if now < end + GRACE && self.all.iter().any(|one| !one.due.is_empty()) {
                self.turn(&mut events, end + GRACE - now)?;
            } else {
                return Ok(());
            }
        }
    }

    fn turn(&mut self, events: &mut Events, limit: Duration) -> io::Result<()> {
        let ready = self.epoll.wait_for(events, limit)?;
        for event in &events[..ready] {
            self.receive(event.u64 as usize);
        }
        Ok(())
    }

    /// Notes a request, and sends it unless one is under way.
    fn due(&mut self, at: usize, due: Instant) {
        self.all[at].due.push_back(due);
        if self.all[at].due.len() == 1 {
            self.send(at);
        }
    }

    /// Sends the first request that is due. A client without a connection makes one.
    fn send(&mut self, at: usize) {
        let client = &mut self.all[at];
        let Some(&due) = client.due.front() else {
            return;
        };
        if due >= self.from {
            let late = due.elapsed().as_micros() as u64;
            let _ = self.seen.late.record(late);
        }
        let sent = match &mut client.stream {
            Some(stream) => stream.write_all(REQUEST),
            None => connect(self.addr, &self.epoll, at).and_then(|stream| {
                let stream = client.stream.insert(stream);
                stream.write_all(REQUEST)
            }),
        };
        if sent.is_err() {
            self.fail(at);
        }
    }

    /// Counts the request under way as unanswered; the next one makes a new connection.
    fn fail(&mut self, at: usize) {
        let client = &mut self.all[at];
        client.stream = None;
        client.answer.clear();
        client.due.pop_front();
        self.seen.unanswered += 1;
    }

    /// Takes what has come, and sends the next request if one has become due meanwhile.
    fn receive(&mut self, at: usize) {
        let before = self.all[at].due.len();
        self.take(at);
        if (1..before).contains(&self.all[at].due.len()) {
            self.send(at);
        }
    }

    fn take(&mut self, at: usize) {
        let client = &mut self.all[at];
        let Some(stream) = &mut client.stream else {
            return;
        };
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) if client.due.is_empty() => client.stream = None,
            Ok(read @ 1..) => {
                client.answer.extend_from_slice(&buffer[..read]);
                match whole(&client.answer) {
                    None => {}
                    Some(Answer { ok: false, .. }) => self.fail(at),
                    Some(Answer { closes, .. }) => self.answered(at, closes),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => self.fail(at),
        }
    }

    fn answered(&mut self, at: usize, closes: bool) {
        let client = &mut self.all[at];
        client.answer.clear();
        client.served = true;
        if closes {
            client.stream = None;
        }
        if let Some(due) = client.due.pop_front()
            && due >= self.from
        {
            let latency = due.elapsed().as_micros() as u64;
            let _ = self.seen.latencies.record(latency);
        }
    }
}

fn connect(addr: SocketAddr, epoll: &Epoll, at: usize) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    epoll.add(&stream, libc::EPOLLIN, at as u64)?;
    Ok(stream)
}

/// An answer of which every byte has come: whether it is a 200, and whether the server closes the connection.
struct Answer {
    ok: bool,
    closes: bool,
}

fn whole(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let field = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let length: usize = field("content-length")?.parse().ok()?;
    (body.len() >= length).then(|| Answer {
        ok: head.starts_with("HTTP/1.1 200"),
        closes: field("connection") == Some("close"),
    })
}
