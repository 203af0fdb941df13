//! Echo by green threads: the blocking function, on a stack that is suspended while it waits. One thread
//! serves all clients.
//!
//!     cargo run --example 07-echo-green
//!     (in a second terminal, and a third:) nc 127.0.0.1 7007

use std::io::{Read, Write};

use switchboard::{Model, PlainStream, Server};

fn echo(mut stream: PlainStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length])?;
    }
}

fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let server = Server::new().model(Model::Green).bind(addr)?;
    println!("listening on {}", server.local_addr());
    server.serve_plain(echo).map(drop)
}
