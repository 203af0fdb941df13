//! Connections that come, say one thing and go.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::loads::{Figures, Meter};
use switchboard_bench::contenders::Server;

const AT_ONCE: usize = 50;

pub(crate) fn run(server: &Server, duration: Duration) -> io::Result<Figures> {
    cycle(server, 0)?;
    let before = Meter::read(server);
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < duration {
        done += cycle(server, done)?;
    }
    let elapsed = start.elapsed();
    Ok(before.per(&Meter::read(server), done, elapsed))
}

fn cycle(server: &Server, done: u64) -> io::Result<u64> {
    // Ports that were used are not free for a while; another address has all of them.
    let ip = Ipv4Addr::new(127, 0, (done / 10_000 % 250) as u8, 1);
    let mut streams = Vec::with_capacity(AT_ONCE);
    for _ in 0..AT_ONCE {
        let mut stream = TcpStream::connect((ip, server.addr.port()))?;
        stream.write_all(&[b'x'; 64])?;
        streams.push(stream);
    }
    for stream in &mut streams {
        stream.read_exact(&mut [0; 64])?;
    }
    Ok(AT_ONCE as u64)
}
