//! The limits of a host hold for all processes together, measured at the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::gate::Gate;
use super::process::{Crawler, reports, union};
use super::proxy::{Proxy, Rule};
use super::support::graph::Graph;
use super::support::{Answer, Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server, until};

const NAMES: [&str; 3] = ["tasks", "threads", "green"];

/// A graph of which each tenth request is answered by 502.
fn flaky(graph: Graph) -> impl Fn(&str) -> Answer + Send + Sync {
    let count = AtomicUsize::new(0);
    move |path| match count.fetch_add(1, Ordering::Relaxed) % 10 {
        9 if path != "/robots.txt" => Answer::status(502),
        _ => graph.answer(path),
    }
}

/// Crawls a site by three processes, each under another model.
fn crawl(site: &Site, folder: &Folder, redis: &Server, arguments: &[&str]) -> usize {
    let url = format!("{}/", site.url);
    let crawlers = NAMES.map(|model| {
        let arguments = [&["--model", model, "--retries", "20", &url], arguments].concat();
        Crawler::start(folder, model, &redis.url(), &arguments)
    });
    reports(crawlers);
    union(folder, &NAMES).len()
}

#[test]
fn requests_at_once_of_three_processes_never_exceed_the_limit_of_a_host() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(120);
    let site = Site::start(Duration::from_millis(4), flaky(graph));
    let folder = Folder::new("redis-at-once");
    // Fewer than processes, so that not each of them may have one.
    let rows = crawl(&site, &folder, &redis, &["--delay", "0", "--per-host", "2"]);
    assert_eq!(rows, graph.rows().len());
    let most = site.seen.most_at_once();
    assert!(most <= 2, "{most} at once");
    println!("{} requests, {most} at once at most", site.seen.requests());
}

#[test]
fn the_time_between_requests_is_that_of_all_with_redirects_and_retries() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(24);
    let delay = Duration::from_millis(100);
    let site = Site::start(Duration::from_millis(150), flaky(graph));
    let folder = Folder::new("redis-delay");
    let rows = crawl(
        &site,
        &folder,
        &redis,
        &["--delay", "100ms", "--per-host", "4"],
    );
    assert_eq!(rows, graph.rows().len());
    // The server's clock runs behind the clients' by what the loopback and the scheduler take, so a gap may look shorter
    // by as much; all of them together may not.
    let gaps = site.seen.gaps();
    let all: Duration = gaps.iter().sum();
    let least = delay * u32::try_from(gaps.len() - 1).unwrap();
    assert!(all >= least, "{all:?} for {} gaps", gaps.len());
    println!("{} gaps, the shortest {:?}", gaps.len(), gaps.iter().min());
}

#[test]
fn a_host_that_has_enough_is_left_alone_by_all() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(30);
    let count = AtomicUsize::new(0);
    let site = Site::start(Duration::ZERO, move |path| {
        match count.fetch_add(1, Ordering::Relaxed) {
            8 => Answer::status(429).with("retry-after", "1"),
            _ => graph.answer(path),
        }
    });
    let folder = Folder::new("redis-enough");
    let rows = crawl(&site, &folder, &redis, &["--delay", "0", "--per-host", "1"]);
    assert_eq!(rows, graph.rows().len());
    let gaps = site.seen.gaps();
    assert!(
        gaps[8] >= Duration::from_millis(990),
        "after the ninth request: {gaps:?}"
    );
    // With the gap before, since the clients' clocks count from a request that the server may have seen late.
    assert!(
        gaps[8] + gaps[9] >= Duration::from_millis(1_240),
        "then slower than before: {gaps:?}"
    );
    let counts = site.seen.counts();
    assert_eq!(counts["/robots.txt"], 1);
}

#[test]
fn a_host_that_asks_to_wait_several_times_loses_no_page_of_a_shared_crawl() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let count = AtomicUsize::new(0);
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/" => Answer::html("<a href=/busy>b</a>"),
        "/robots.txt" => Answer::status(404),
        _ => match count.fetch_add(1, Ordering::Relaxed) {
            0..3 => Answer::status(429).with("retry-after", "0"),
            3 => Answer::status(502),
            _ => Answer::html("not busy"),
        },
    });
    let url = format!("{}/", site.url);
    let folder = Folder::new("redis-waits");
    let crawlers = NAMES.map(|name| {
        let arguments = ["--retries", "1", "--delay", "0", &url];
        Crawler::start(&folder, name, &redis.url(), &arguments)
    });
    let reports = reports(crawlers);
    for report in reports {
        assert!(report.contains("= fetched 2 + failed 0 "), "{report}");
    }
    assert_eq!(site.seen.counts()["/busy"], 5);
}

#[test]
fn rules_that_cannot_be_asked_for_again_stay() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(300);
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let gate = Gate::new(20);
    let way = gate.clone();
    let site = Site::start(Duration::from_millis(10), move |path| {
        way.pass();
        match path == "/robots.txt" && down.load(Ordering::Relaxed) {
            true => Answer::status(500),
            false => graph.answer(path),
        }
    });
    let url = format!("{}/", site.url);
    let folder = Folder::new("redis-rules");
    let crawlers = NAMES.map(|name| {
        let arguments = ["--retries", "0", "--delay", "0", "--name", "n", &url];
        Crawler::start(&folder, name, &redis.url(), &arguments)
    });
    until("the crawl has begun", || site.seen.requests() > 10);
    is_down.store(true, Ordering::Relaxed);
    let host = format!("{{crawl:n}}:h:{}", site.url);
    redis.ask(&["HSET", &host, "until", "0"]);
    gate.open();
    reports(crawlers);
    let asked = site.seen.counts()["/robots.txt"];
    assert_eq!(asked, 2, "once more, which counts for a while");
    assert_eq!(union(&folder, &NAMES), {
        let rows = graph.rows().into_iter();
        rows.map(|(path, fate)| (format!("{}{path}", site.url), fate))
            .collect()
    });
}

#[test]
fn a_process_that_dies_before_it_tells_of_a_request_leaves_the_time_after_it() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let site = Site::start(Duration::ZERO, |path| match path {
        "/robots.txt" => Answer::status(404),
        _ => Answer::html("a page"),
    });
    let proxy = Proxy::start(&redis);
    // The first request is for robots.txt.
    *proxy.rule() = Rule {
        of: b"\r\n$1\r\nS\r\n",
        cuts: 1..usize::MAX,
        loses: true,
        closes: true,
        ..Rule::default()
    };
    let folder = Folder::new("redis-untold");
    let url = format!("{}/", site.url);
    let arguments = ["--delay", "2s", "--lease", "1", &url];
    let mut dies = Crawler::start(&folder, "dies", &proxy.url(), &arguments);
    until("a page is asked for, and Redis not told", || {
        site.seen.counts().contains_key("/") && proxy.cuts() > 0
    });
    dies.signal("KILL");
    dies.wait();
    Crawler::start(&folder, "next", &redis.url(), &arguments).report();
    let gaps = site.seen.gaps();
    assert_eq!(site.seen.counts()["/"], 2);
    assert!(gaps[1] >= Duration::from_secs(2), "{gaps:?}");
}

#[test]
fn all_pages_of_a_host_that_is_given_up_come_to_their_end() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    // A socket that is bound and does not listen keeps its port, where every connection is refused.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    closed.bind(&any.into()).unwrap();
    let port = closed.local_addr().unwrap().as_socket().unwrap().port();
    const PAGES: usize = 700;
    let links = (0..PAGES).map(|page| format!("<a href=http://127.0.0.1:{port}/{page}></a>"));
    let links: String = links.collect();
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/" => Answer::html(links.clone()),
        _ => Answer::status(404),
    });
    let folder = Folder::new("redis-all-given-up");
    let url = format!("{}/", site.url);
    let arguments = [
        "--delay",
        "0",
        "--retries",
        "0",
        "--scope",
        ".",
        "--no-robots",
        &url,
    ];
    let report = Crawler::start(&folder, "a", &redis.url(), &arguments).report();
    assert!(
        report.contains(&format!("fetched 1 + failed {PAGES} + ")) && report.contains("pending 0"),
        "{report}"
    );
    assert!(report.contains("unreachable"), "{report}");
}

#[test]
fn a_host_that_was_given_up_is_tried_again_once_nobody_crawls() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(20);
    let site = Site::start(Duration::ZERO, move |path| graph.answer(path));
    let folder = Folder::new("redis-given-up");
    let url = format!("{}/", site.url);
    let crawl = |more: &[&str]| {
        let arguments = [&["--name", "n", "--delay", "0"], more].concat();
        Crawler::start(&folder, "a", &redis.url(), &arguments).report()
    };
    crawl(&["--pages", "1", &url]);
    // Redis holds the same after five connections that could not be made.
    let host = format!("{{crawl:n}}:h:{}", site.url);
    redis.ask(&["HSET", &host, "unreachable", "5"]);
    redis.ask(&["SADD", "{crawl:n}:unreachable", &site.url]);
    let report = crawl(&["--pages", "1000", "--resume"]);
    assert!(!report.contains("unreachable"), "{report}");
    assert_eq!(union(&folder, &["a"]).len(), graph.rows().len());
}
