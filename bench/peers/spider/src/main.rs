//! Follows the links of a site with the crate `spider`, 32 requests at once, and writes a line for each page.
//!
//! `crawl-spider URL FILE`

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

use spider::tokio::sync::broadcast::error::RecvError;
use spider::website::Website;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(file)) = (words.next(), words.next()) else {
        return Err("usage: crawl-spider URL FILE".into());
    };
    let file = BufWriter::new(File::create(file)?);
    // As every other crawler here, on one thread.
    let runtime = spider::tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(crawl(&url, file))
}

async fn crawl(url: &str, mut file: BufWriter<File>) -> Result<(), Box<dyn Error>> {
    let mut website = Website::new(url);
    website
        .with_depth(0)
        .with_delay(0)
        .with_respect_robots_txt(false)
        .with_full_resources(true)
        .with_concurrency_limit(Some(32));
    let mut pages = website.subscribe(65_536);
    let writer = spider::tokio::spawn(async move {
        loop {
            match pages.recv().await {
                Ok(page) => writeln!(
                    file,
                    "{} {} {}",
                    page.status_code.as_u16(),
                    page.get_html_bytes_u8().len(),
                    page.get_url()
                )?,
                Err(RecvError::Lagged(pages)) => {
                    return Err(std::io::Error::other(format!("{pages} pages were not written")));
                }
                Err(RecvError::Closed) => return file.flush(),
            }
        }
    });
    website.crawl().await;
    website.unsubscribe();
    drop(website);
    writer.await??;
    Ok(())
}
