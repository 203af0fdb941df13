//! Three slow pages by deferreds: each callback is attached before its text has come.
//!
//!     cargo run --release -- serve slow-site --listen 127.0.0.1:8080
//!     (in a second terminal:) cargo run --example 15-pages-deferred

use std::io;
use std::time::Instant;

use switchboard::callbacks::{self, Deferred, DeferredList, Protocol, Resolver, Transport};
use switchboard::{Driver, Stream};

const PAGES: [&str; 3] = ["/page/1", "/page/2", "/page/3"];

/// Collects the text of a page, and fires its Deferred at the end.
struct Page(Vec<u8>, Option<Resolver<String, io::Error>>);

impl Protocol for Page {
    fn data_received(&mut self, _: &Transport, data: &[u8]) {
        self.0.extend(data);
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        match (self.1.take(), error) {
            (Some(whole), None) => whole.callback(String::from_utf8_lossy(&self.0).into()),
            (Some(whole), Some(error)) => whole.errback(error.kind().into()),
            (None, _) => {}
        }
    }
}

fn fetch(site: String, page: &'static str) -> Deferred<String, io::Error> {
    Deferred::from_future(async move { Stream::connect(&site).await }).add_callback(move |stream| {
        let (text, whole) = Deferred::new();
        let transport = callbacks::start(stream, Page(vec![], Some(whole)));
        transport.write(format!("GET {page} HTTP/1.0\r\nHost: site\r\n\r\n").as_bytes());
        text
    })
}

fn show(page: &str, text: &str) -> io::Result<()> {
    let after = text.split("temperature: ").nth(1).unwrap_or("unknown<");
    println!("{page}: {}", after.split('<').next().unwrap_or(after));
    Ok(())
}

fn main() -> io::Result<()> {
    let site = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let start = Instant::now();
    callbacks::run(Driver::best(), move || {
        let fetched = PAGES.map(|page| (page, fetch(site.clone(), page)));
        let shown = fetched.map(|(page, text)| text.add_callback(move |text| show(page, &text)));
        // A failure without an errback is reported on stderr.
        DeferredList::new(shown).gather().add_callback(move |_| {
            println!("in {:.2} s", start.elapsed().as_secs_f64());
            io::Result::Ok(())
        });
        Ok(())
    })
}
