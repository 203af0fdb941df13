//! Processes that are killed or stopped, and a Redis that goes away: the same set, and no row twice.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::time::Duration;

use super::FAST;
use super::gate::Gate;
use super::process::{Crawler, reports, union};
use super::support::graph::Graph;
use super::support::{Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server, until};

const GRAPH: Graph = Graph(300);

/// The steps of a commit.
const PLACES: [&str; 5] = [
    "before-append",
    "after-append",
    "after-sync",
    "before-commit",
    "after-commit",
];

struct Stage {
    redis: Server,
    gate: Gate,
    site: Site,
    folder: Folder,
    url: String,
}

impl Stage {
    fn set(keeps: Keeps, pause: u64) -> Option<Stage> {
        Stage::gated(keeps, pause, usize::MAX)
    }

    /// Sets one whose site gives so many answers until its gate is opened.
    fn gated(keeps: Keeps, pause: u64, answers: usize) -> Option<Stage> {
        let redis = Server::start(keeps)?;
        let gate = Gate::new(answers);
        let way = gate.clone();
        let site = Site::start(Duration::from_millis(pause), move |path| {
            way.pass();
            GRAPH.answer(path)
        });
        Some(Stage {
            url: format!("{}/", site.url),
            redis,
            gate,
            site,
            folder: Folder::new("redis-ends"),
        })
    }

    fn start(&self, name: &str, more: &[&str]) -> Crawler {
        let arguments = [&FAST[..], &["--lease", "2", &self.url], more].concat();
        Crawler::start(&self.folder, name, &self.redis.url(), &arguments)
    }

    fn doomed(&self, name: &str, place: &str) -> Crawler {
        let arguments = [&FAST[..], &["--lease", "2", &self.url]].concat();
        Crawler::doomed(&self.folder, name, &self.redis.url(), &arguments, place)
    }

    /// Returns a key of the crawl.
    fn key(&self, name: &str) -> String {
        let crawl = self.site.url[7..].replace(':', "-");
        format!("{{crawl:{crawl}}}:{name}")
    }

    fn check(&self, names: &[&str]) {
        let rows = union(&self.folder, names);
        let path = |address: String| address[self.site.url.len()..].to_owned();
        let rows = rows
            .into_iter()
            .map(|(address, fate)| (path(address), fate));
        assert_eq!(rows.collect::<BTreeMap<_, _>>(), GRAPH.rows());
    }
}

#[test]
fn what_a_killed_process_had_is_done_by_others_and_its_output_is_cut_as_they_say() {
    // The first commits have the seed, robots.txt and the first page.
    for place in ["after-sync:4", "before-append:4"] {
        let Some(stage) = Stage::set(Keeps::Nothing, 5) else {
            return;
        };
        let doomed = stage.doomed("doomed", place);
        assert_eq!(doomed.end().0, None, "{place}");
        let others = ["a", "b"].map(|name| stage.start(name, &[]));
        let ends = others.map(Crawler::end);
        let output = stage.folder.path("doomed.jsonl");
        let length = std::fs::metadata(&output).unwrap().len();
        let told = ends.iter().find_map(|(code, _, errors)| {
            assert_eq!(*code, Some(0), "{errors}");
            // A busy machine may have them lose their own leases, and tell of each other.
            let told = errors.lines().find(|line| line.contains("doomed.jsonl "))?;
            let (_, told) = told.split_once(", only the first ")?;
            told.split(' ').next()?.parse::<u64>().ok()
        });
        let counts = told.unwrap_or(length);
        println!("{place}: {counts} of {length} bytes count");
        // Rows that were appended and on disk, but not acknowledged, are others'.
        assert_eq!(counts < length, place.starts_with("after"), "{place}");
        OpenOptions::new()
            .write(true)
            .open(&output)
            .unwrap()
            .set_len(counts)
            .unwrap();
        stage.check(&["doomed", "a", "b"]);
    }
}

#[test]
fn a_process_that_was_killed_at_any_step_comes_back_and_cuts_its_output() {
    for place in PLACES {
        let Some(stage) = Stage::set(Keeps::Nothing, 4) else {
            return;
        };
        let doomed = stage.doomed("doomed", &format!("{place}:2"));
        // Its second commit has robots.txt then, however fast the other one is.
        until("it has begun", || stage.site.seen.requests() > 0);
        let other = stage.start("other", &[]);
        assert_eq!(doomed.end().0, None, "{place}");
        let again = stage.start("doomed", &["--resume"]);
        reports([again, other]);
        stage.check(&["doomed", "other"]);
    }
}

#[test]
fn kills_at_any_time_lose_nothing() {
    let Some(stage) = Stage::set(Keeps::Nothing, 8) else {
        return;
    };
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |it| it.parse().unwrap());
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let names = ["a", "b", "c"];
    let mut crawlers = names.map(|name| stage.start(name, &[]));
    for kill in 0..8 {
        let requests = stage.site.seen.requests() + random.usize(1..30);
        let which = random.usize(..3);
        until("the crawl goes on", || {
            stage.site.seen.requests() >= requests || crawlers.iter_mut().all(|it| !it.is_running())
        });
        if !crawlers[which].is_running() {
            println!("{kill} kills");
            break;
        }
        crawlers[which].signal("KILL");
        crawlers[which].wait();
        // The folder is free as soon as the process is gone.
        crawlers[which] = stage.start(names[which], &["--resume"]);
    }
    reports(crawlers);
    stage.check(&names);
}

#[test]
fn a_process_that_was_stopped_past_its_lease_is_refused_and_goes_on() {
    let Some(stage) = Stage::gated(Keeps::Nothing, 10, 60) else {
        return;
    };
    let stopped = stage.start("stopped", &[]);
    let requests = || stage.site.seen.requests();
    until("the crawl has begun", || requests() > 40);
    let sessions = stage.key("sessions");
    let first = stage.redis.ask(&["ZRANGE", &sessions, "0", "-1"]);
    let first = first[0].as_str().unwrap().to_owned();
    stopped.signal("STOP");
    let other = stage.start("other", &[]);
    until("its lease has ended, and its pages are others'", || {
        stage.redis.ask(&["ZSCORE", &sessions, &first]).is_null()
    });
    stopped.signal("CONT");
    stage.gate.open();
    let (code, _, errors) = stopped.end();
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        errors.contains("the lease at Redis has ended: "),
        "{errors}"
    );
    other.report();
    stage.check(&["stopped", "other"]);
}

#[test]
fn a_redis_that_is_restarted_with_all_it_had_is_waited_for() {
    let Some(mut stage) = Stage::gated(Keeps::All, 8, 60) else {
        return;
    };
    let names = ["a", "b", "c"];
    let crawlers = names.map(|name| stage.start(name, &[]));
    let processes = stage.key("processes");
    until("all have joined", || {
        stage.redis.ask(&["SCARD", &processes]) == 3
    });
    let requests = |stage: &Stage| stage.site.seen.requests();
    until("the crawl has begun", || requests(&stage) > 60);
    stage.redis.kill();
    let before = requests(&stage);
    stage.redis.start_again();
    stage.gate.open();
    until("the crawl goes on", || requests(&stage) > before + 30);
    for crawler in crawlers {
        let (code, report, errors) = crawler.end();
        assert_eq!(code, Some(0), "{report}{errors}");
        assert_eq!(errors.matches(" is away: ").count(), 1, "{errors}");
        assert_eq!(errors.matches(" is back after ").count(), 1, "{errors}");
    }
    stage.check(&names);
}

#[test]
fn outputs_follow_a_redis_that_comes_back_with_an_older_state() {
    let Some(mut stage) = Stage::gated(Keeps::Nothing, 8, 60) else {
        return;
    };
    let names = ["a", "b", "c"];
    let crawlers = names.map(|name| stage.start(name, &[]));
    let lengths = |stage: &Stage| {
        let length = |name: &str| {
            let file = stage.folder.path(&format!("{name}.jsonl"));
            std::fs::metadata(file).map_or(0, |file| file.len())
        };
        names.map(length).iter().sum::<u64>()
    };
    let processes = stage.key("processes");
    until("all have joined", || {
        stage.redis.ask(&["SCARD", &processes]) == 3
    });
    until("there are rows", || lengths(&stage) > 0);
    assert_eq!(stage.redis.ask(&["SAVE"]), "OK");
    let saved = lengths(&stage);
    stage.gate.set(200);
    until("there are more", || lengths(&stage) > saved + 4000);
    stage.redis.kill();
    stage.gate.open();
    stage.redis.start_again();
    reports(crawlers);
    let counts = stage.site.seen.counts();
    let again = counts.values().filter(|times| **times > 1).count();
    println!("{again} of {} pages were fetched again", counts.len());
    assert!(again > 0);
    stage.check(&names);
}

#[test]
fn a_redis_that_stays_away_ends_the_crawl_with_one_line_and_keeps_what_was_fetched() {
    let Some(mut stage) = Stage::gated(Keeps::All, 8, 60) else {
        return;
    };
    let crawler = stage.start("a", &["--patience", "1"]);
    until("there are rows", || {
        std::fs::metadata(stage.folder.path("a.jsonl")).is_ok_and(|file| file.len() > 0)
    });
    stage.redis.kill();
    stage.gate.open();
    let (code, report, errors) = crawler.end();
    assert_eq!((code, &*report), (Some(1), ""), "{errors}");
    let last = errors.lines().last().unwrap();
    assert!(last.contains("has not answered for 1 s"), "{errors}");
    assert!(
        last.contains("what was fetched is kept; go on with --resume --redis redis://"),
        "{errors}"
    );
    let before = union(&stage.folder, &["a"]).len();
    assert!(before > 0);
    let (code, _, errors) = stage.start("b", &[]).end();
    assert_eq!((code, errors.lines().count()), (Some(1), 1), "{errors}");
    assert!(errors.contains("Connection refused"), "{errors}");
    assert!(!stage.folder.path("b").exists() && !stage.folder.path("b.jsonl").exists());
    stage.redis.start_again();
    until("Redis answers", || stage.redis.ask(&["PING"]) == "PONG");
    stage.start("a", &["--resume"]).report();
    stage.check(&["a"]);
}

#[test]
fn a_redis_that_has_lost_the_crawl_ends_it_with_one_line() {
    let Some(mut stage) = Stage::gated(Keeps::Nothing, 8, 60) else {
        return;
    };
    let crawler = stage.start("a", &[]);
    until("there are rows", || {
        std::fs::metadata(stage.folder.path("a.jsonl")).is_ok_and(|file| file.len() > 0)
    });
    stage.redis.kill();
    stage.gate.open();
    stage.redis.start_again();
    let (code, _, errors) = crawler.end();
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("no longer has the crawl `"), "{errors}");
    assert!(!union(&stage.folder, &["a"]).is_empty());
    let (code, _, errors) = stage.start("a", &["--resume"]).end();
    assert_eq!((code, errors.lines().count()), (Some(1), 1), "{errors}");
    assert!(errors.contains("what was fetched is kept"), "{errors}");
}

#[test]
fn a_redis_that_asks_for_a_password_gets_it_or_is_named() {
    let Some(stage) = Stage::set(Keeps::Nothing, 0) else {
        return;
    };
    stage.redis.ask(&["CONFIG", "SET", "requirepass", "secret"]);
    let (code, _, errors) = stage.start("a", &[]).end();
    assert_eq!((code, errors.lines().count()), (Some(1), 1), "{errors}");
    assert!(
        errors.contains("it wants a password: write redis://:PASSWORD@HOST"),
        "{errors}"
    );
    assert!(!stage.folder.path("a.jsonl").exists());
    let url = stage.redis.url().replace("//", "//:secret@");
    let arguments = [&FAST[..], &[&stage.url]].concat();
    let report = Crawler::start(&stage.folder, "a", &url, &arguments).report();
    assert!(!report.contains("secret"), "{report}");
    stage.check(&["a"]);
}
