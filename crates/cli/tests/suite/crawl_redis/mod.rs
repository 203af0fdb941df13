//! `switchboard crawl --redis`: processes that do one crawl, on a Redis server of the test's own, against a site in this
//! process that counts.

mod again;
mod ends;
mod gate;
mod limits;
mod outputs;
mod process;
mod proxy;
mod replays;
mod seeds;
#[path = "../../../../crawl/tests/support/mod.rs"]
mod support;

use std::time::Duration;

use self::gate::Gate;
use self::process::{Crawler, reports, union};
use self::support::graph::Graph;
use self::support::{Answer, Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server, until};
use crate::served::run;

/// Options by which a process crawls as fast as the site answers: without a delay, with several requests at once.
const FAST: [&str; 6] = ["--delay", "0", "--per-host", "12", "--concurrency", "8"];

#[test]
fn three_processes_fetch_each_page_once_and_agree_on_the_sum() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(300);
    let gates = [0, 1].map(|_| Gate::new(0));
    let sites = gates.each_ref().map(|gate| {
        let gate = gate.clone();
        Site::start(Duration::from_millis(4), move |path| {
            gate.pass();
            graph.answer(path)
        })
    });
    let folder = Folder::new("redis-three");
    let models = ["tasks", "threads", "green"];
    let crawlers = models.map(|model| {
        let urls = sites.each_ref().map(|site| format!("{}/", site.url));
        let arguments = [&["--model", model, &urls[0], &urls[1]], &FAST[..]].concat();
        Crawler::start(&folder, model, &redis.url(), &arguments)
    });
    let name = sites[0].url.replace("http://", "").replace(':', "-");
    // Two of them may be so fast that nothing is left for a third one that comes late.
    let processes = format!("{{crawl:{name}}}:processes");
    until("all have joined", || redis.ask(&["SCARD", &processes]) == 3);
    gates.iter().for_each(Gate::open);
    let reports = reports(crawlers);
    let rows = union(&folder, &models);
    for site in &sites {
        let of_site = rows.iter().filter_map(|(address, fate)| {
            let path = address.strip_prefix(&site.url)?;
            Some((path.to_owned(), fate.clone()))
        });
        assert_eq!(
            of_site.collect::<std::collections::BTreeMap<_, _>>(),
            graph.rows()
        );
        let counts = site.seen.counts();
        assert!(counts.values().all(|times| *times == 1), "{counts:?}");
        assert!(
            site.seen.most_at_once() <= 12,
            "{}",
            site.seen.most_at_once()
        );
    }
    let sums = reports.iter().map(|report| report.lines().next().unwrap());
    let sums: Vec<&str> = sums.collect();
    assert!(sums[0].ends_with(" + pending 0"), "{sums:?}");
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    let shares = models.map(|model| union(&folder, &[model]).len());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    println!("rows of each process: {shares:?}");

    for (path, told) in [
        ("/p/8", "fetched, status 200"),
        (
            "/private/0",
            "robots, robots.txt says `Disallow: /private/`",
        ),
    ] {
        let url = format!("{}{path}", sites[0].url);
        let explained = run(&[
            "crawl",
            "--explain",
            &url,
            "--redis",
            &redis.url(),
            "--name",
            &name,
        ]);
        let text = String::from_utf8(explained.stdout).unwrap();
        assert!(text.starts_with(&format!("{url}: {told}")), "{text}");
        assert!(text.contains("found on "), "{text}");
    }
}

#[test]
fn levels_and_budgets_are_those_of_the_whole() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(200);
    let site = Site::start(Duration::from_millis(1), move |path| graph.answer(path));
    let url = format!("{}/", site.url);
    let folder = Folder::new("redis-levels");
    let alone = Crawler::alone(
        &folder,
        "alone",
        &[&["--depth", "4", &url], &FAST[..]].concat(),
    );
    let alone = alone.report();
    let names = ["deep-a", "deep-b", "deep-c"];
    let deep = names.map(|name| {
        let arguments = [&["--depth", "4", "--name", "deep", &url], &FAST[..]].concat();
        Crawler::start(&folder, name, &redis.url(), &arguments)
    });
    for report in reports(deep) {
        assert_eq!(report.lines().next(), alone.lines().next());
    }
    assert_eq!(union(&folder, &names), union(&folder, &["alone"]));

    let names = ["few-a", "few-b", "few-c"];
    let few = names.map(|name| {
        let arguments = [&["--pages", "40", "--name", "few", &url], &FAST[..]].concat();
        Crawler::start(&folder, name, &redis.url(), &arguments)
    });
    for report in reports(few) {
        assert!(report.contains("= fetched 40 "), "{report}");
        assert!(
            report.contains("as many pages as asked for; more: --resume --redis"),
            "{report}"
        );
    }
    let fetched = union(&folder, &names);
    let fetched = fetched.values().filter(|fate| *fate == "fetched").count();
    assert_eq!(fetched, 40);
}

#[test]
fn seeds_that_lead_elsewhere_widen_the_scope_of_all() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(80);
    let other = Site::start(Duration::from_millis(2), move |path| graph.answer(path));
    let to = format!("{}/", other.url);
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/robots.txt" => Answer::moved("/rules"),
        "/rules" => Answer::status(404),
        _ => Answer::moved(to.clone()),
    });
    let folder = Folder::new("redis-scope");
    let names = ["a", "b", "c"];
    let url = format!("{}/", site.url);
    let crawlers = names
        .map(|name| Crawler::start(&folder, name, &redis.url(), &[&[&*url], &FAST[..]].concat()));
    reports(crawlers);
    let rows = union(&folder, &names);
    assert_eq!(rows.len(), graph.rows().len() + 1);
    assert_eq!(site.seen.counts().len(), 3);
}

#[test]
fn who_joins_with_other_settings_is_refused_and_leaves_nothing_behind() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(100);
    let gate = Gate::new(10);
    let way = gate.clone();
    let site = Site::start(Duration::from_millis(50), move |path| {
        way.pass();
        graph.answer(path)
    });
    let url = format!("{}/", site.url);
    let folder = Folder::new("redis-others");
    let begun = Crawler::start(
        &folder,
        "first",
        &redis.url(),
        &["--name", "n", &url, "--delay", "0"],
    );
    until("the crawl has begun", || site.seen.requests() > 2);
    for (arguments, why) in [
        (
            &["--depth", "3"][..],
            "is another one (its depth: no limit; asked for: 3)",
        ),
        (&["--delay", "1s"], "processes crawl `n` at redis://"),
        (
            &["--delay", "0", "--per-host", "5"],
            "asked for: 5 at once to a host",
        ),
        (&["--name", "a b"], "is no name of a crawl"),
    ] {
        let name = ["--name", "n"];
        let name = if arguments[0] == "--name" {
            &[][..]
        } else {
            &name[..]
        };
        let arguments = [&[&*url], name, arguments].concat();
        let (code, _, errors) = Crawler::start(&folder, "second", &redis.url(), &arguments).end();
        assert_eq!((code, errors.lines().count()), (Some(2), 1), "{errors}");
        assert!(errors.contains(why), "{errors}");
        assert!(!folder.path("second").exists() && !folder.path("second.jsonl").exists());
    }
    let taken = Crawler::start(&folder, "first", &redis.url(), &["--name", "n", &url]).end();
    assert!(
        taken.2.contains("give each process a folder by --state"),
        "{}",
        taken.2
    );
    begun.signal("INT");
    gate.open();
    let (code, report, _) = begun.end();
    assert_eq!(code, Some(1));
    assert!(
        report.contains("stopped, nothing is lost; go on: --resume --redis"),
        "{report}"
    );
    // The only process has ended, so the next one may come with another --per-host.
    let arguments = ["--resume", "--delay", "0", "--per-host", "8"];
    Crawler::start(&folder, "first", &redis.url(), &arguments).report();
    assert_eq!(union(&folder, &["first"]).len(), graph.rows().len());
}
