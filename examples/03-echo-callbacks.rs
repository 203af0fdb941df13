//! Echo by callbacks: an object for each connection, whose methods the loop calls with the received bytes.
//! No method waits, so one thread serves all clients.
//!
//!     cargo run --example 03-echo-callbacks
//!     (in a second terminal, and a third:) nc 127.0.0.1 7007

use switchboard::callbacks::{Protocol, Transport};
use switchboard::{Model, Server};

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }

    // A peer that sends but does not read is not read from until it reads.
    fn pause_writing(&mut self, transport: &Transport) {
        transport.pause_reading();
    }

    fn resume_writing(&mut self, transport: &Transport) {
        transport.resume_reading();
    }
}

fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let server = Server::new().model(Model::Callbacks).bind(addr)?;
    println!("listening on {}", server.local_addr());
    server.serve_protocol(|| Echo).map(drop)
}
