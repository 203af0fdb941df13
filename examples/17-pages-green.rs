//! Three slow pages by green threads: the blocking function again, on stacks that one thread suspends and
//! resumes.
//!
//!     cargo run --release -- serve slow-site --listen 127.0.0.1:8080
//!     (in a second terminal:) cargo run --example 17-pages-green

use std::io::{self, Read, Write};
use std::time::Instant;

use switchboard::green::{joinall, spawn};
use switchboard::{Model, PlainStream};

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

fn fetch_all(site: &str) -> io::Result<()> {
    let fetches = PAGES.map(|page| {
        let site = site.to_owned();
        // A thread under `threads`, a green thread under `green`.
        spawn(move || {
            let text = fetch(&site, page)?;
            println!("{page}: {}", temperature(&text));
            io::Result::Ok(())
        })
    });
    joinall(fetches)
        .into_iter()
        .try_for_each(|fetched| fetched?)
}

fn main() -> io::Result<()> {
    let site = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let start = Instant::now();
    Model::Green.run(async { fetch_all(&site) })??;
    println!("in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
