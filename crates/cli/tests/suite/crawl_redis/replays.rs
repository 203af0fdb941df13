//! Calls of Redis whose answers are lost, and what happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::FAST;
use super::process::{Crawler, union};
use super::proxy::{Proxy, Rule};
use super::support::{Answer, Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server, until};

/// What a command has that tells of a host which wants to be left alone, of a request that failed, and of one that was
/// answered well.
const SLOW_DOWN: &[u8] = b"\r\n$1\r\ns\r\n";
const WELL: &[u8] = b"\r\n$1\r\nw\r\n";
const ENDED: &[u8] = b"\r\n$1\r\nn\r\n";

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

#[test]
fn a_wish_to_wait_that_comes_while_redis_is_away_is_told_before_its_page_is_given_back() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let proxy = Proxy::start(&redis);
    *proxy.rule() = Rule {
        of: ENDED,
        cuts: 0..1,
        closes: true,
        ..Rule::default()
    };
    let (way, limited) = (proxy.clone(), first(429));
    // While the end of the failed request is under way to Redis, this one is answered.
    let busy = Site::start(Duration::ZERO, move |path| match path {
        "/robots.txt" => Answer::status(404),
        _ => {
            until("an answer of Redis is lost", || way.cuts() == 1);
            limited()
        }
    });
    let (asked, failing) = (busy.seen.clone(), first(500));
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/robots.txt" => Answer::status(404),
        _ => {
            until("both are under way", || asked.counts().contains_key("/"));
            failing()
        }
    });
    let folder = Folder::new("redis-meanwhile");
    let urls = [&site, &busy].map(|site| format!("{}/", site.url));
    let arguments = ["--name", "n", "--delay", "0", &urls[0], &urls[1]];
    let crawler = Crawler::start(&folder, "a", &proxy.url(), &arguments);
    // Each try is later than the one before: the last of these is long after the answer.
    until("it has tried to connect", || proxy.refused() >= 6);
    proxy.rule().is_closed = false;
    crawler.report();
    assert_eq!(slowed(&redis, &busy), "250");
}

#[test]
fn links_that_redis_forgets_within_a_commit_are_sent_again() {
    let Some(mut redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    const LINKS: usize = 1500;
    let is_saved = Arc::new(AtomicBool::new(false));
    let saved = is_saved.clone();
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/robots.txt" => Answer::status(404),
        "/" => {
            until("Redis is saved", || saved.load(Ordering::SeqCst));
            // A trap may see a page by one session only, so some would be one at a second look.
            let links = (0..LINKS).map(|to| match to % 500 {
                0 => format!("<a href='/{to}?sid=abcd1234'>a</a>"),
                _ => format!("<a href='/{to}'>a</a>"),
            });
            Answer::html(links.collect::<String>())
        }
        _ => Answer::html("a page"),
    });
    let folder = Folder::new("redis-forgets");
    let go_on = folder.path("go-on");
    let url = format!("{}/", site.url);
    let arguments = [&["--name", "n", &url], &FAST[..]].concat();
    // The first commits have the seed and robots.txt; the third one has the links, of which it has sent the first ones.
    let place = format!("before-commit:3:{}", go_on.display());
    let crawler = Crawler::held(&folder, "a", &redis.url(), &arguments, &place);
    until("the page is asked for", || {
        site.seen.counts().contains_key("/")
    });
    assert_eq!(redis.ask(&["SAVE"]), "OK");
    is_saved.store(true, Ordering::SeqCst);
    until("the first links are there", || {
        redis.ask(&["HLEN", "{crawl:n}:pages"]) == 1001
    });
    redis.kill();
    redis.start_again();
    std::fs::write(go_on, "").unwrap();
    let (code, report, errors) = crawler.end();
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(errors.contains(" is back after "), "{errors}");
    assert_eq!(union(&folder, &["a"]).len(), LINKS + 1, "{report}");
}

#[test]
fn a_call_that_is_never_answered_ends_with_patience_or_at_a_stop() {
    for (patience, words) in [
        ("1", "has not answered for 1 s"),
        ("300", "stopped while Redis is away ("),
    ] {
        let Some(redis) = Server::start(Keeps::Nothing) else {
            return;
        };
        let site = Site::start(Duration::ZERO, |_| Answer::status(404));
        let proxy = Proxy::start(&redis);
        // Connecting succeeds each time.
        *proxy.rule() = Rule {
            of: WELL,
            cuts: 0..usize::MAX,
            ..Rule::default()
        };
        let folder = Folder::new("redis-never");
        let url = format!("{}/", site.url);
        let arguments = ["--patience", patience, "--delay", "0", &url];
        let mut crawler = Crawler::start(&folder, "a", &proxy.url(), &arguments);
        if patience == "300" {
            until("it has called again", || proxy.cuts() > 2);
            crawler.signal("INT");
        }
        until("it has ended", || !crawler.is_running());
        let (code, _, errors) = crawler.end();
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.lines().last().unwrap().contains(words), "{errors}");
    }
}
