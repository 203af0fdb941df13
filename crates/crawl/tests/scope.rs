//! Which pages a crawl fetches after a redirect has widened its scope, and after it is resumed.

mod support;

use support::elsewhere::{LATE, late, start};
use support::{Answer, Folder, crawl, rows, settings};
use switchboard_crawl::{Address, Ended, Fate, Settings, explain};

#[test]
fn what_was_found_before_a_seed_led_there_is_fetched_all_the_same() {
    let (site, seeds) = late();
    let folder = Folder::new("widened");
    let report = crawl(Settings {
        seeds: seeds.to_vec(),
        retries: 200,
        out: vec![folder.path("pages.jsonl")],
        ..settings(&site, &folder)
    });
    assert_eq!(report.ended, Ended::Complete);
    let fetched: Vec<String> = rows(&folder.path("pages.jsonl")).into_keys().collect();
    assert_eq!(fetched, LATE);
    let counts = report.counts;
    assert_eq!((counts.of(Fate::Fetched), counts.of(Fate::Scope)), (5, 0));
}

#[test]
fn a_sitemap_that_is_elsewhere_widens_no_scope() {
    let site = start(|path| match path {
        "/robots.txt" => Answer::text("Sitemap: http://127.0.0.1:PORT/map.xml\n"),
        "/map.xml" => Answer::moved("/moved.xml"),
        "/moved.xml" => Answer::moved("http://127.0.0.4:PORT/there.xml"),
        "/" => Answer::html("<a href=http://127.0.0.4:PORT/other></a>"),
        _ => Answer::html("<a href=http://127.0.0.4:PORT/another></a>"),
    });
    let folder = Folder::new("elsewhere");
    let report = crawl(settings(&site, &folder));
    let asked: Vec<String> = site.seen.counts().into_keys().collect();
    assert_eq!(asked, ["/", "/map.xml", "/moved.xml", "/robots.txt"]);
    assert_eq!(report.counts.of(Fate::Scope), 2);
    let map = Address::parse(&format!("{}/map.xml", site.url)).unwrap();
    let told = explain(&folder.path("state"), &map).unwrap().to_string();
    let named = format!("\n  named by {}/robots.txt", site.url);
    assert!(told.ends_with(&named), "{told}");
}

#[test]
fn a_crawl_that_goes_on_still_leaves_out_what_is_not_to_be_followed() {
    let site = start(|path| match path {
        "/" => Answer::html("<a href=/first></a>"),
        "/first" => Answer::html("<a href=/shut rel=nofollow></a><a href=/open></a>"),
        _ => Answer::html("a page"),
    });
    let folder = Folder::new("nofollow");
    let begun = crawl(Settings {
        nofollow: true,
        pages: Some(1),
        robots: false,
        ..settings(&site, &folder)
    });
    assert_eq!(begun.ended, Ended::Budget);
    let resumed = crawl(Settings {
        seeds: Vec::new(),
        resume: true,
        ..settings(&site, &folder)
    });
    assert_eq!(resumed.ended, Ended::Complete);
    let asked: Vec<String> = site.seen.counts().into_keys().collect();
    assert_eq!(asked, ["/", "/first", "/open"]);
}
