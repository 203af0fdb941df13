//! The cost of a connection while nothing happens on it.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use switchboard_bench::contenders::Server;

const CONNECTIONS: usize = 10_000;

/// Resident bytes for each connection.
pub(crate) fn run(server: &Server) -> io::Result<f64> {
    let mut warm = TcpStream::connect(server.addr)?;
    round_trip(&mut warm)?;
    let before = resident(server.pid())?;
    let mut streams = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(server.addr)?;
        round_trip(&mut stream)?;
        streams.push(stream);
    }
    let after = resident(server.pid())?;
    Ok(after.saturating_sub(before) as f64 / CONNECTIONS as f64)
}

fn round_trip(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&[b'x'; 64])?;
    stream.read_exact(&mut [0; 64])
}

/// Resident bytes that are no file's.
fn resident(pid: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("the system does not tell how much is resident"))
}
