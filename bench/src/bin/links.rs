//! What finding the links of HTML pages costs: `cargo run --release --bin links -- FILE…`. Medians of rounds by turns.

use std::hint::black_box;
use std::time::Instant;

use switchboard_crawl::Address;
use switchboard_crawl::links::{Wanted, html_with};
use url::Url;

const ROUNDS: usize = 21;

fn main() {
    let pages: Vec<String> = std::env::args()
        .skip(1)
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    let bytes: usize = pages.iter().map(String::len).sum();
    if bytes == 0 {
        eprintln!("no page could be read; give HTML files in UTF-8 as arguments");
        std::process::exit(2);
    }
    let base = Url::parse("http://127.0.0.1:8000/a/b/c.html").expect("a URL");
    let count = |wanted: Wanted| {
        pages
            .iter()
            .map(|page| html_with(page, wanted).links.len())
            .sum::<usize>()
    };
    println!(
        "{} pages of {} bytes, with {} links, {} of them to other pages",
        pages.len(),
        bytes / pages.len(),
        count(Wanted::ALL),
        count(Wanted::PAGES)
    );

    let find = |wanted: Wanted| {
        pages
            .iter()
            .for_each(|page| drop(black_box(html_with(page, wanted))))
    };
    let join = || {
        for page in &pages {
            for link in html_with(page, Wanted::PAGES).links {
                let _ = black_box(Address::join(&base, &link.target));
            }
        }
    };
    let rows: [(&str, &dyn Fn()); 3] = [
        ("all", &|| find(Wanted::ALL)),
        ("links to pages", &|| find(Wanted::PAGES)),
        ("and their addresses", &join),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (row, times) in rows.iter().zip(&mut times) {
            let start = Instant::now();
            row.1();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    for ((name, _), mut times) in rows.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let seconds = times[ROUNDS / 2];
        let each = seconds * 1e6 / pages.len() as f64;
        println!(
            "{name:20} {each:8.1} µs a page, {:6.0} MB/s",
            bytes as f64 / seconds / 1e6
        );
    }
}
