//! A pool of ten is enough.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{by_turns, effect};

pub(super) struct PoolOfTen;

/// The time that a request waits for something else.
const WAIT: Duration = Duration::from_millis(20);

/// Requests of each client, one after another.
const REQUESTS: usize = 3;

const CLIENTS: [usize; 2] = [8, 60];

impl Saying for PoolOfTen {
    fn name(&self) -> &'static str {
        "pool of ten"
    }

    fn saying(&self) -> &'static str {
        "a pool of ten is enough"
    }

    fn how(&self) -> &'static str {
        "a slow site under `pool` with 10 and with 100 threads, whose pages wait for 20 ms; 8 and 60 clients fetch three \
         each; wall time; 25 % matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(650)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let wait = format!("{}ms", WAIT.as_millis());
        let start = |size: &str| {
            let arguments = ["serve", "slow-site", "--model", "pool", "--pool", size];
            lab.serve(&[&arguments[..], &["--latency", &wait]].concat())
        };
        let servers = [start("10")?, start("100")?];
        let cells: Vec<(usize, usize)> = CLIENTS.iter().flat_map(|&n| [(n, 0), (n, 1)]).collect();
        let figures = by_turns(lab, &cells, |&(clients, server)| {
            Ok(vec![fetch_all(servers[server].addr(), clients)?])
        })?;
        let pairs = figures.chunks(2).zip(CLIENTS);
        pairs
            .map(|(pair, clients)| {
                let name = format!("ten threads ÷ a hundred, {clients} clients");
                effect(name, &pair[0][0], &pair[1][0], Claim::NotMore, 0.25)
            })
            .collect()
    }
}

/// Fetches with so many clients at once, each with a new connection for each request; returns the seconds until all
/// are done.
fn fetch_all(addr: SocketAddr, clients: usize) -> io::Result<f64> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let client = |client: usize| {
            std::thread::Builder::new().spawn_scoped(scope, move || {
                (0..REQUESTS).try_for_each(|page| fetch(addr, client * REQUESTS + page))
            })
        };
        let clients: Vec<_> = (0..clients).map(client).collect::<io::Result<_>>()?;
        let died = |_| Err(io::Error::other("a client panicked"));
        clients
            .into_iter()
            .try_for_each(|client| client.join().unwrap_or_else(died))
    })?;
    Ok(start.elapsed().as_secs_f64())
}

fn fetch(addr: SocketAddr, page: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = format!("GET /page/{page} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    match answer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::other("the slow site did not answer with a page")),
    }
}
