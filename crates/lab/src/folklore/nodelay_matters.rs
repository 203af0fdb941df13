//! TCP_NODELAY matters.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{MESSAGE, by_turns, effect};

pub(super) struct NodelayMatters;

/// Messages before the first turn: a new connection's first bytes are acknowledged at once.
const FIRST: usize = 40;

/// Messages of one turn.
const MESSAGES: usize = 6;

/// Writes for each message, and the words for them.
const WRITES: [(usize, &str); 2] = [(2, "two writes a message"), (1, "one write a message")];

impl Saying for NodelayMatters {
    fn name(&self) -> &'static str {
        "TCP_NODELAY"
    }

    fn saying(&self) -> &'static str {
        "TCP_NODELAY matters"
    }

    fn how(&self) -> &'static str {
        "a client sends 64 bytes in one write or in two, and waits for the answer, without TCP_NODELAY and with it: wall time \
         of the fastest of six messages; a factor of 5 matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let cells: Vec<(usize, bool)> = WRITES
            .iter()
            .flat_map(|&(writes, _)| [(writes, false), (writes, true)])
            .collect();
        let clients = cells.len();
        let server = std::thread::Builder::new().spawn(move || serve(&listener, clients))?;
        let mut streams = Vec::new();
        for &(writes, nodelay) in &cells {
            let mut stream = TcpStream::connect(addr)?;
            stream.set_nodelay(nodelay)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            exchange(&mut stream, writes, FIRST)?;
            streams.push(stream);
        }
        let places: Vec<usize> = (0..cells.len()).collect();
        let figures = by_turns(lab, &places, |&at| {
            Ok(vec![exchange(&mut streams[at], cells[at].0, MESSAGES)?])
        })?;
        drop(streams);
        server
            .join()
            .map_err(|_| io::Error::other("the server panicked"))?;
        let pairs = figures.chunks(2).zip(WRITES);
        pairs
            .map(|(pair, (_, words))| {
                let name = format!("without it ÷ with it, {words}");
                effect(name, &pair[0][0], &pair[1][0], Claim::More, 4.0)
            })
            .collect()
    }
}

/// Serves so many clients, each in a thread: every message is answered once all of it has come.
fn serve(listener: &TcpListener, clients: usize) {
    std::thread::scope(|scope| {
        for _ in 0..clients {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            scope.spawn(move || {
                let mut message = [0; MESSAGE];
                while stream.read_exact(&mut message).is_ok() && stream.write_all(&message).is_ok()
                {
                }
            });
        }
    });
}

/// Sends messages one after another in so many writes each; returns the seconds of the fastest, which is
/// the least disturbed by others on the machine.
fn exchange(stream: &mut TcpStream, writes: usize, messages: usize) -> io::Result<f64> {
    let message = [7; MESSAGE];
    let mut fastest = f64::INFINITY;
    for _ in 0..messages {
        let start = Instant::now();
        for piece in message.chunks(MESSAGE / writes) {
            stream.write_all(piece)?;
        }
        stream.read_exact(&mut [0; MESSAGE])?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest)
}
