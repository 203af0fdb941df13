//! Small frames, sent back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use switchboard_bench::clients::Clients;
use switchboard_bench::contenders::{Contender, Server, clock};
use switchboard_bench::exchange::Exchange;
use switchboard_bench::site::Site;

use crate::frame::{PROOF, REQUEST, TEXT, masked};
use crate::options::Options;
use crate::side::{Figures, Turn, by_turns};
use crate::table;
use crate::wires::other;
use crate::{Report, rounds};

const CONNECTIONS: [usize; 2] = [50, 1000];
/// The bytes of a message.
const LENGTH: usize = 64;

struct Echo {
    /// Goes first, so that a server that ends finds no client.
    clients: Clients,
    server: Server,
}

pub fn measure(
    (reference, others): &(Contender, Vec<Contender>),
    options: &Options,
    site: &Site,
    report: &mut Report,
) -> serde_json::Result<()> {
    let again = reference.called(format!("{} again", reference.name));
    let all: Vec<&Contender> = [&again].into_iter().chain(others).collect();
    for connections in CONNECTIONS {
        let name = format!("echo{LENGTH}x{connections}");
        let row = rounds(&name, &all, options, |contender| {
            run([reference, contender], connections, options, site)
        });
        let what = format!("messages of {LENGTH} bytes, {connections} connections");
        table::figures(&name, &what, "a round trip", &reference.name, &row);
        report.add(&row)?;
    }
    Ok(())
}

fn run(
    both: [&Contender; 2],
    connections: usize,
    options: &Options,
    site: &Site,
) -> io::Result<Figures> {
    let start = |contender: &Contender| {
        let server = contender.start(options.cores.0, &[], site, None)?;
        let exchange = Exchange {
            request: masked(TEXT, &[b'x'; LENGTH]),
            answer: 2 + LENGTH,
            begins: &[TEXT, LENGTH as u8, b'x'],
        };
        let clients = Clients::new(exchange, 1, options.cores.0 != options.cores.1)?;
        io::Result::Ok(Echo { clients, server })
    };
    let mut sides = [start(both[0])?, start(both[1])?];
    for _ in 0..connections {
        for side in &mut sides {
            side.clients.add(open(side.server.addr)?)?;
        }
    }
    let driven = Duration::from_secs_f64(options.seconds);
    by_turns(
        &mut sides,
        driven,
        |side| side.server.pid(),
        |side, time| {
            let (server, load, start) = (side.server.cpu(), clock(0), Instant::now());
            let done = side.clients.drive(start + time)?;
            let (elapsed, load) = (start.elapsed(), clock(0) - load);
            Ok(Turn {
                done,
                elapsed,
                server: side.server.cpu() - server,
                load,
            })
        },
    )
}

/// Becomes a WebSocket client.
fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(REQUEST.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    match head.windows(PROOF.len()).any(|it| it == PROOF) {
        true => Ok(stream),
        false => {
            let text = String::from_utf8_lossy(&head).into_owned();
            Err(other(format!("no WebSocket connection: {text}")))
        }
    }
}
