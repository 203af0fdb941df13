//! Processes that have lost their session and cannot begin another one.

use std::time::Duration;

use super::process::Crawler;
use super::proxy::Proxy;
use super::support::graph::Graph;
use super::support::{Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server, until};

const SESSIONS: &str = "{crawl:n}:sessions";

/// Begins a crawl of a site that takes its time, and calls `break_it` once it is under way. Returns the last words of a
/// process that ends before its patience does.
fn last_words(name: &str, break_it: impl FnOnce(&Server, &Proxy, &Crawler)) -> Option<String> {
    let redis = Server::start(Keeps::Nothing)?;
    let site = Site::start(Duration::from_millis(30), |path| Graph(300).answer(path));
    let (folder, proxy) = (Folder::new(name), Proxy::start(&redis));
    let url = format!("{}/", site.url);
    let arguments = ["--name", "n", "--delay", "0", &url];
    let mut crawler = Crawler::start(&folder, "a", &proxy.url(), &arguments);
    until("the crawl has begun", || site.seen.requests() > 5);
    break_it(&redis, &proxy, &crawler);
    until("it has ended", || !crawler.is_running());
    let (code, report, errors) = crawler.end();
    assert_eq!((code, &*report), (Some(1), ""), "{errors}");
    assert!(
        errors.contains("the lease at Redis has ended: "),
        "{errors}"
    );
    errors.lines().last().map(str::to_owned)
}

#[test]
fn a_process_that_is_stopped_while_it_cannot_join_again_ends() {
    let words = last_words("redis-stopped", |redis, proxy, crawler| {
        proxy.rule().is_closed = true;
        redis.ask(&["DEL", SESSIONS]);
        until("it tries to join again", || proxy.refused() > 0);
        crawler.signal("INT");
    });
    let Some(words) = words else {
        return;
    };
    assert!(words.contains("stopped while Redis is away ("), "{words}");
}

#[test]
fn a_process_that_no_longer_may_log_in_ends_at_once() {
    let words = last_words("redis-locked", |redis, _, _| {
        // Connections that are there stay.
        redis.ask(&["CONFIG", "SET", "requirepass", "secret"]);
        redis.ask(&["-a", "secret", "--no-auth-warning", "DEL", SESSIONS]);
    });
    let Some(words) = words else {
        return;
    };
    assert!(words.contains("it wants a password"), "{words}");
}
