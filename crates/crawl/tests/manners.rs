//! The limits of a host, measured at the server.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::graph::Graph;
use support::{Answer, Folder, MODELS, Site, crawl, rows, settings};
use switchboard_crawl::{Ended, Fate, Settings};

/// A graph of which each tenth request is answered by 500 or a cut, before it is answered well.
fn flaky(graph: Graph) -> impl Fn(&str) -> Answer + Send + Sync {
    let count = AtomicUsize::new(0);
    move |path| match count.fetch_add(1, Ordering::Relaxed) % 10 {
        9 if path != "/robots.txt" => Answer::status(502),
        _ => graph.answer(path),
    }
}

#[test]
fn requests_at_once_never_exceed_the_limit_of_a_host() {
    let graph = Graph(120);
    for model in MODELS {
        let site = Site::start(Duration::from_millis(2), flaky(graph));
        let folder = Folder::new("at-once");
        let report = crawl(Settings {
            model,
            per_host: 3,
            retries: 20,
            out: vec![folder.path("pages.jsonl")],
            ..settings(&site, &folder)
        });
        assert_eq!(report.ended, Ended::Complete, "{model}");
        let most = site.seen.most_at_once();
        assert!(most <= 3, "{model}: {most} at once");
        assert_eq!(rows(&folder.path("pages.jsonl")), graph.rows(), "{model}");
    }
}

#[test]
fn the_time_between_requests_is_kept_with_redirects_and_retries() {
    let graph = Graph(24);
    let delay = Duration::from_millis(40);
    for model in MODELS {
        let site = Site::start(Duration::from_millis(60), flaky(graph));
        let folder = Folder::new("delay");
        crawl(Settings {
            model,
            delay,
            per_host: 4,
            retries: 20,
            ..settings(&site, &folder)
        });
        // The server's clock runs behind the client's by what the loopback and the scheduler take, so a gap may
        // look shorter by as much; all of them together may not.
        let gaps = site.seen.gaps();
        let all: Duration = gaps.iter().sum();
        let least = delay * u32::try_from(gaps.len() - 1).unwrap();
        assert!(all >= least, "{model}: {all:?} for {} gaps", gaps.len());
    }
}

#[test]
fn a_host_that_has_enough_is_asked_more_slowly_and_nothing_is_lost() {
    let graph = Graph(12);
    let count = AtomicUsize::new(0);
    let site = Site::start(Duration::ZERO, move |path| {
        match count.fetch_add(1, Ordering::Relaxed) {
            3 => Answer::status(429).with("retry-after", "1"),
            _ => graph.answer(path),
        }
    });
    let folder = Folder::new("slow-down");
    let report = crawl(Settings {
        per_host: 1,
        out: vec![folder.path("pages.jsonl")],
        ..settings(&site, &folder)
    });
    assert_eq!(rows(&folder.path("pages.jsonl")), graph.rows());
    let gaps = site.seen.gaps();
    assert!(
        gaps[3] >= Duration::from_millis(990),
        "after the fourth request: {gaps:?}"
    );
    // With the gap before, since the client's clock counts from a request that the server may have seen late.
    assert!(
        gaps[3] + gaps[4] >= Duration::from_millis(1_240),
        "then slower than before: {gaps:?}"
    );
    assert_eq!(report.ended, Ended::Complete);
}

#[test]
fn a_host_that_asks_to_wait_several_times_loses_no_page() {
    for (retries, fetched) in [(1, 2), (0, 1)] {
        let count = AtomicUsize::new(0);
        let site = Site::start(Duration::ZERO, move |path| match path {
            "/" => Answer::html("<a href=/busy>b</a>"),
            "/robots.txt" => Answer::status(404),
            _ => match count.fetch_add(1, Ordering::Relaxed) {
                0 => Answer::status(503).with("retry-after", "0"),
                1 => Answer::status(429),
                2 => Answer::status(429).with("retry-after", "0"),
                3 => Answer::status(502),
                _ => Answer::html("not busy"),
            },
        });
        let folder = Folder::new("wait");
        let report = crawl(Settings {
            retries,
            ..settings(&site, &folder)
        });
        assert_eq!(report.counts.of(Fate::Fetched), fetched, "{retries}");
        let busy = site.seen.counts()["/busy"];
        assert_eq!(busy, if retries == 0 { 1 } else { 5 }, "{retries}");
    }
}

#[test]
fn robots_txt_is_asked_for_once_and_first_with_its_redirects() {
    let graph = Graph(40);
    let site = Site::start(Duration::from_millis(1), move |path| match path {
        "/robots.txt" => Answer::moved("/robots/1"),
        "/robots/1" => Answer::moved("/robots/2"),
        "/robots/2" => {
            Answer::text("User-agent: switchboard\nDisallow: /\nAllow: /$\nAllow: /p/1$")
        }
        path => graph.answer(path),
    });
    let folder = Folder::new("robots");
    let report = crawl(settings(&site, &folder));
    assert_eq!(report.counts.of(Fate::Fetched), 2);
    assert_eq!(report.counts.robots_requests, 3);
    let counts = site.seen.counts();
    let asked: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(
        asked,
        ["/", "/p/1", "/robots.txt", "/robots/1", "/robots/2"]
    );
    assert!(counts.values().all(|times| *times == 1));
}

#[test]
fn what_robots_txt_says_when_it_cannot_be_had() {
    for (status, fetched) in [(404, 1), (403, 1), (500, 0), (503, 0)] {
        let site = Site::start(Duration::ZERO, move |path| match path {
            "/robots.txt" => Answer::status(status),
            _ => Answer::html("one page"),
        });
        let folder = Folder::new("unreachable");
        let report = crawl(Settings {
            retries: 0,
            ..settings(&site, &folder)
        });
        assert_eq!(report.counts.of(Fate::Fetched), fetched, "{status}");
        assert_eq!(report.counts.of(Fate::Robots), 1 - fetched, "{status}");
    }
}

#[test]
fn sitemaps_and_redirects_of_the_seed_are_followed() {
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/" => Answer::moved("/home"),
        "/home" => Answer::html("nothing here"),
        "/robots.txt" => Answer::text("Sitemap: /map.xml"),
        "/map.xml" => Answer {
            fields: vec![("content-type", "application/xml".to_owned())],
            ..Answer::html("<urlset><url><loc>/hidden</loc></url></urlset>")
        },
        "/hidden" => Answer::html("found"),
        _ => Answer::status(404),
    });
    let folder = Folder::new("sitemap");
    let report = crawl(settings(&site, &folder));
    assert_eq!(report.counts.of(Fate::Fetched), 4, "{}", report.counts);
}

#[test]
fn links_that_nobody_shall_follow_are_left_out_by_choice() {
    for (nofollow, fetched) in [(false, 6), (true, 2)] {
        let site = Site::start(Duration::ZERO, move |path| match path {
            "/" => Answer::html(
                "<a href=/field>f</a> <a rel=nofollow href=/link>l</a> <a rel=nofollow href=/meta>m</a>",
            ),
            "/field" => Answer::html("<a href=/x>x</a>").with("x-robots-tag", "noindex, nofollow"),
            "/meta" => Answer::html("<meta name=robots content=nofollow><a href=/y>y</a>"),
            "/robots.txt" => Answer::status(404),
            _ => Answer::html("nothing"),
        });
        let folder = Folder::new("nofollow");
        let report = crawl(Settings {
            nofollow,
            ..settings(&site, &folder)
        });
        assert_eq!(report.counts.of(Fate::Fetched), fetched, "{nofollow}");
    }
}

#[test]
fn links_are_read_in_the_encoding_of_their_page() {
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/" => Answer::html("<meta charset=gbk><a href='/\u{ff}\u{fe}'>x</a>"),
        "/robots.txt" => Answer::status(404),
        _ => Answer::html("nothing"),
    });
    let folder = Folder::new("encoding");
    crawl(settings(&site, &folder));
    // The bytes C3 BF C3 BE, which are UTF-8 for these two, are two other characters in GBK.
    let encoded: String = "\u{6bcf}\u{9541}"
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let asked: Vec<_> = site.seen.counts().into_keys().collect();
    assert_eq!(
        asked,
        [
            "/".to_owned(),
            format!("/{encoded}"),
            "/robots.txt".to_owned()
        ]
    );
}

#[test]
fn the_begin_of_a_huge_robots_txt_counts() {
    let huge = format!(
        "User-agent: *\nDisallow: /private\n{}",
        "# more\n".repeat(300_000)
    );
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/robots.txt" => Answer::text(huge.clone()),
        "/" => Answer::html("<a href=/private>p</a> <a href=/public>q</a>"),
        _ => Answer::html("nothing"),
    });
    let folder = Folder::new("huge");
    let report = crawl(settings(&site, &folder));
    assert_eq!(report.counts.of(Fate::Fetched), 2);
    assert_eq!(report.counts.of(Fate::Robots), 1);
}

#[test]
fn feeds_and_what_pages_consist_of_are_fetched_too() {
    let site = Site::start(Duration::ZERO, |path| {
        let of = |kind: &str, body: &str| Answer {
            fields: vec![("content-type", kind.to_owned())],
            ..Answer::html(body)
        };
        match path {
            "/" => Answer::html(
                "<link rel=alternate type=application/rss+xml href=/rss><link rel=alternate href=/atom>\
                 <img src=/image><script src=/script></script><link rel=stylesheet href=/style>",
            ),
            "/rss" => of(
                "application/rss+xml",
                "<rss><channel><item><link>/of-rss</link><enclosure url='/sound'/></item></channel></rss>",
            ),
            "/atom" => of(
                "application/atom+xml",
                "<feed xml:base='/base/'><title>News</title><entry><link href='of-atom'/></entry></feed>",
            ),
            "/style" => of("text/css", "b { background: url(/of-css) }"),
            "/robots.txt" => Answer::status(404),
            _ => of("text/plain", ""),
        }
    });
    let folder = Folder::new("feeds");
    crawl(Settings {
        out: vec![folder.path("pages.jsonl")],
        ..settings(&site, &folder)
    });
    let asked: Vec<String> = rows(&folder.path("pages.jsonl")).into_keys().collect();
    assert_eq!(
        asked,
        [
            "/",
            "/atom",
            "/base/of-atom",
            "/image",
            "/of-css",
            "/of-rss",
            "/rss",
            "/script",
            "/sound",
            "/style"
        ]
    );
    let text = std::fs::read_to_string(folder.path("pages.jsonl")).unwrap();
    assert!(text.contains(r#""title":"News""#), "{text}");
}
