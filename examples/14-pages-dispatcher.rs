//! Three slow pages by dispatchers: the loop calls each one when its socket is writable or readable.
//!
//!     cargo run --release -- serve slow-site --listen 127.0.0.1:8080
//!     (in a second terminal:) cargo run --example 14-pages-dispatcher

use std::io;
use std::time::Instant;

use switchboard::Driver;
use switchboard::callbacks::{Channel, Channels, Dispatcher};

const PAGES: [&str; 3] = ["/page/1", "/page/2", "/page/3"];

struct Page {
    path: &'static str,
    unsent: String,
    text: Vec<u8>,
}

impl Dispatcher for Page {
    fn writable(&self) -> bool {
        !self.unsent.is_empty()
    }
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        self.unsent.drain(..channel.send(self.unsent.as_bytes())?);
        Ok(())
    }
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let length = channel.recv(&mut buffer)?;
        self.text.extend(&buffer[..length]);
        Ok(())
    }
    fn handle_close(&mut self, channel: &Channel) {
        let text = String::from_utf8_lossy(&self.text);
        let error = channel.take_error().map(|error| error.to_string());
        let line = error.as_deref().unwrap_or(temperature(&text));
        println!("{}: {line}", self.path);
        channel.close();
    }
}

fn temperature(text: &str) -> &str {
    let after = text.split("temperature: ").nth(1).unwrap_or("unknown<");
    after.split('<').next().unwrap_or(after)
}

fn main() -> io::Result<()> {
    let site = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let start = Instant::now();
    let channels = Channels::new();
    for path in PAGES {
        let unsent = format!("GET {path} HTTP/1.0\r\nHost: {site}\r\n\r\n");
        let text = Vec::new();
        channels.connect(&site, Page { path, unsent, text });
    }
    channels.run_until_empty(Driver::best())?;
    println!("in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
