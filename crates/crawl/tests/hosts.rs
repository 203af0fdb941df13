//! More hosts than there is place for in memory.

mod support;

use std::time::Duration;

use support::{Answer, Folder, Site, settings};
use switchboard_crawl::{Crawl, Ended, Fate, Settings};

/// Hosts that a crawl has in memory at most, and some.
const HOSTS: usize = 4096 + 300;

#[test]
fn many_hosts_are_crawled_each_with_its_robots_txt_and_given_back() {
    // All addresses of the loopback network are this machine.
    let site = Site::start_at("0.0.0.0:0", Duration::ZERO, |path| match path {
        "/robots.txt" => Answer::text("User-agent: *\nDisallow: /private\n"),
        "/" => Answer::html("<a href=/private>p</a>"),
        path => {
            let port = path.trim_start_matches("/all/");
            let link = |host: usize| {
                let (high, low) = (host / 250, host % 250 + 1);
                format!("<a href='http://127.1.{high}.{low}:{port}/'>h</a>")
            };
            Answer::html((0..HOSTS).map(link).collect::<String>())
        }
    });
    let port = site.url.rsplit(':').next().unwrap();
    let folder = Folder::new("hosts");
    let settings = Settings {
        seeds: vec![format!("{}/all/{port}", site.url)],
        scope: r"^http://127\.1\.".to_owned(),
        ..settings(&site, &folder)
    };
    let crawl = Crawl::open(settings).unwrap();
    let handle = crawl.handle();
    let report = crawl.run().unwrap();
    assert_eq!(report.ended, Ended::Complete);
    let hosts = HOSTS as u64;
    assert_eq!(report.counts.of(Fate::Fetched), hosts + 1);
    assert_eq!(report.counts.of(Fate::Robots), hosts);
    assert_eq!(report.counts.robots_requests, hosts + 1);
    let left = handle.progress().hosts;
    assert!(left < HOSTS / 4, "{left} hosts are in memory still");
}
