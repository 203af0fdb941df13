//! What belongs to a crawl when redirects change that, and when it goes on.

mod support;

use support::elsewhere::start;
use support::{Answer, Folder, crawl, settings};
use switchboard_crawl::{Ended, Settings};

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
