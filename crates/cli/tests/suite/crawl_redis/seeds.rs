//! Seeds of which the process that brought them has lost hold.

use std::time::Duration;

use super::FAST;
use super::process::{Crawler, reports, union};
use super::support::elsewhere::{LATE, late};
use super::support::{Answer, Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server, until};

/// More than are sent at once.
const SEEDS: usize = 1200;

#[test]
fn seeds_that_a_killed_process_has_not_brought_in_are_brought_by_the_next_one() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let site = Site::start(Duration::ZERO, |_| Answer::html("a page"));
    let folder = Folder::new("redis-seeds");
    let seeds: Vec<String> = (0..SEEDS).map(|at| format!("{}/{at}", site.url)).collect();
    let seeds = seeds.iter().map(String::as_str);
    let arguments: Vec<&str> = FAST.into_iter().chain(seeds).collect();
    // The first ones are in Redis then, the others are not.
    let doomed = Crawler::doomed(
        &folder,
        "doomed",
        &redis.url(),
        &arguments,
        "before-commit:1",
    );
    assert_eq!(doomed.end().0, None);
    let report = Crawler::start(&folder, "next", &redis.url(), &arguments).report();
    assert!(
        report.starts_with(&format!("discovered {SEEDS} = fetched {SEEDS} ")),
        "{report}"
    );
    assert_eq!(union(&folder, &["next"]).len(), SEEDS);
}

#[test]
fn seeds_of_a_session_that_was_lost_before_they_were_recorded_are_brought_again() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let site = Site::start(Duration::ZERO, |_| Answer::html("a page"));
    let folder = Folder::new("redis-lost-seed");
    let go_on = folder.path("go-on");
    // A trap may see a page by one session only, so it would be one at a second look.
    let url = format!("{}/?PHPSESSID=abcd1234", site.url);
    let place = format!("before-commit:1:{}", go_on.display());
    let arguments = ["--name", "n", "--delay", "0", &url];
    let crawler = Crawler::held(&folder, "a", &redis.url(), &arguments, &place);
    let sessions = "{crawl:n}:sessions";
    until("it has joined", || redis.ask(&["ZCARD", sessions]) == 1);
    redis.ask(&["DEL", sessions]);
    std::fs::write(go_on, "").unwrap();
    let (code, report, errors) = crawler.end();
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(
        errors.contains("the lease at Redis has ended: "),
        "{errors}"
    );
    assert_eq!(union(&folder, &["a"]).len(), 1);
}

#[test]
fn what_was_found_before_a_seed_led_there_is_fetched_by_whoever_finds_it_again() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let (_site, [first, second]) = late();
    let folder = Folder::new("redis-late");
    let names = ["a", "b"];
    let crawlers = names.map(|name| {
        let arguments = ["--delay", "0", "--retries", "200", &first, &second];
        Crawler::start(&folder, name, &redis.url(), &arguments)
    });
    for report in reports(crawlers) {
        let sum = "discovered 5 = fetched 5 + failed 0 + robots 0 + scope 0 ";
        assert!(report.starts_with(sum), "{report}");
    }
    let mut paths: Vec<String> = union(&folder, &names)
        .into_keys()
        .map(|address| format!("/{}", address.rsplit('/').next().unwrap()))
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, LATE);
}
