//! Three slow pages by tasks: the code reads like the blocking one, and waits for all three at once.
//!
//!     cargo run --release -- serve slow-site --listen 127.0.0.1:8080
//!     (in a second terminal:) cargo run --example 16-pages-tasks

use std::io;
use std::time::Instant;

use switchboard::{Model, Stream, gather};

const PAGES: [&str; 3] = ["/page/1", "/page/2", "/page/3"];

async fn fetch(site: &str, page: &str) -> io::Result<String> {
    let stream = Stream::connect(site).await?;
    let request = format!("GET {page} HTTP/1.0\r\nHost: {site}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = Vec::new();
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return Ok(String::from_utf8_lossy(&text).into());
        }
        text.extend_from_slice(&chunk);
    }
}

fn temperature(text: &str) -> &str {
    let after = text.split("temperature: ").nth(1).unwrap_or("unknown<");
    after.split('<').next().unwrap_or(after)
}

fn main() -> io::Result<()> {
    let site = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let start = Instant::now();
    let fetches = PAGES.map(async |page| {
        let text = fetch(&site, page).await?;
        println!("{page}: {}", temperature(&text));
        io::Result::Ok(())
    });
    let fetched = Model::Tasks.run(gather(fetches))?;
    fetched.into_iter().collect::<io::Result<()>>()?;
    println!("in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
