//! The cost of a connection while nothing happens on it.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use switchboard_bench::contenders::Server;
use switchboard_bench::exchange::Exchange;

use crate::loads::Ask;

/// Resident bytes for each of so many connections.
pub(crate) fn run(server: &Server, connections: usize, ask: Ask) -> io::Result<f64> {
    let (exchange, _) = ask.exchange(server, None)?;
    let mut warm = TcpStream::connect(server.addr)?;
    round_trip(&mut warm, &exchange)?;
    let before = server.resident()?;
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream = TcpStream::connect(server.addr)?;
        round_trip(&mut stream, &exchange)?;
        streams.push(stream);
    }
    let after = server.resident()?;
    Ok(after.saturating_sub(before) as f64 / connections as f64)
}

fn round_trip(stream: &mut TcpStream, exchange: &Exchange) -> io::Result<()> {
    stream.write_all(&exchange.request)?;
    let mut answer = vec![0; exchange.answer];
    stream.read_exact(&mut answer)?;
    exchange.check(&answer)
}
