//! Calls of Redis whose answers are lost, and what happens meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::process::Crawler;
use super::proxy::{Proxy, Rule};
use super::support::{Answer, Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server};

/// What a command has that tells of a host which wants to be left alone.
const SLOW_DOWN: &[u8] = b"\r\n$1\r\ns\r\n";

/// Answers by a status the first time that a path is asked for, and by a page from then on.
fn first(status: u16) -> impl Fn() -> Answer {
    let count = AtomicUsize::new(0);
    move || match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::status(status),
        _ => Answer::html("a page"),
    }
}

fn slowed(redis: &Server, site: &Site) -> serde_json::Value {
    redis.ask(&["HGET", &format!("{{crawl:n}}:h:{}", site.url), "slowed"])
}

#[test]
fn an_event_that_is_told_twice_counts_once() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let busy = first(429);
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/robots.txt" => Answer::status(404),
        _ => busy(),
    });
    let proxy = Proxy::start(&redis);
    *proxy.rule() = Rule {
        of: SLOW_DOWN,
        cuts: 0..1,
        ..Rule::default()
    };
    let folder = Folder::new("redis-twice");
    let url = format!("{}/", site.url);
    let arguments = ["--name", "n", "--delay", "0", &url];
    Crawler::start(&folder, "a", &proxy.url(), &arguments).report();
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(slowed(&redis, &site), "250");
}
