//! Three slow pages, one after another: each read blocks, so the waits add up.
//!
//!     cargo run --release -- serve slow-site --listen 127.0.0.1:8080
//!     (in a second terminal:) cargo run --example 11-pages-blocking

use std::io::{self, Read, Write};
use std::time::Instant;

use switchboard::PlainStream;

const PAGES: [&str; 3] = ["/page/1", "/page/2", "/page/3"];

fn fetch(site: &str, page: &str) -> io::Result<String> {
    let mut stream = PlainStream::connect(site)?;
    write!(stream, "GET {page} HTTP/1.0\r\nHost: {site}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn temperature(text: &str) -> &str {
    let after = text.split("temperature: ").nth(1).unwrap_or("unknown<");
    after.split('<').next().unwrap_or(after)
}

fn main() -> io::Result<()> {
    let site = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let start = Instant::now();
    for page in PAGES {
        println!("{page}: {}", temperature(&fetch(&site, page)?));
    }
    println!("in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
