//! Three slow pages by callbacks: three objects, which the loop calls as their pages come.
//!
//!     cargo run --release -- serve slow-site --listen 127.0.0.1:8080
//!     (in a second terminal:) cargo run --example 13-pages-callbacks

use std::io;
use std::time::Instant;

use switchboard::Driver;
use switchboard::callbacks::{self, Protocol, Transport, create_connection};

const PAGES: [&str; 3] = ["/page/1", "/page/2", "/page/3"];

struct Page {
    path: &'static str,
    text: Vec<u8>,
}

impl Protocol for Page {
    fn connection_made(&mut self, transport: &Transport) {
        let request = format!("GET {} HTTP/1.0\r\nHost: site\r\n\r\n", self.path);
        transport.write(request.as_bytes());
    }
    fn data_received(&mut self, _: &Transport, data: &[u8]) {
        self.text.extend(data);
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        match error {
            Some(error) => println!("{}: {error}", self.path),
            None => println!(
                "{}: {}",
                self.path,
                temperature(&String::from_utf8_lossy(&self.text))
            ),
        }
    }
}

fn temperature(text: &str) -> &str {
    let after = text.split("temperature: ").nth(1).unwrap_or("unknown<");
    after.split('<').next().unwrap_or(after)
}

fn main() -> io::Result<()> {
    let site = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let start = Instant::now();
    // The loop ends when no connection, timer or callback is left.
    callbacks::run(Driver::best(), move || {
        for path in PAGES {
            create_connection(&site, Page { path, text: vec![] });
        }
        Ok(())
    })?;
    println!("in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
