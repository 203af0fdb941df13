//! Echo by a dispatcher: the loop asks each object for its interest, and calls it when its socket is ready.
//! The object keeps what it could not send yet. Asking all objects costs more the more there are.
//!
//!     cargo run --example 04-echo-dispatcher
//!     (in a second terminal, and a third:) nc 127.0.0.1 7007

use std::io;

use switchboard::callbacks::{Channel, Channels, Dispatcher};
use switchboard::{Addr, Driver, Stream};

struct Accept;

impl Dispatcher for Accept {
    fn handle_accepted(&mut self, channel: &Channel, stream: Stream, _: Addr) -> io::Result<()> {
        channel.channels().add(stream, Echo::default());
        Ok(())
    }
}

#[derive(Default)]
struct Echo {
    unsent: Vec<u8>,
    ended: bool,
}

impl Dispatcher for Echo {
    fn readable(&self) -> bool {
        self.unsent.len() < 64 * 1024
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let length = channel.recv(&mut buffer)?;
        self.unsent.extend(&buffer[..length]);
        Ok(())
    }
    fn writable(&self) -> bool {
        self.ended || !self.unsent.is_empty()
    }
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        let sent = channel.send(&self.unsent)?;
        self.unsent.drain(..sent);
        if self.ended && self.unsent.is_empty() {
            channel.close();
        }
        Ok(())
    }
    fn handle_close(&mut self, _: &Channel) {
        self.ended = true;
    }
}

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let channels = Channels::new();
    let server = channels.listen(addr, Accept)?;
    println!("listening on {}", server.local_addr()?);
    channels.run_until_empty(Driver::best())
}
