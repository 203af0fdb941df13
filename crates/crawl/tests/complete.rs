//! Crawls of generated sites: all pages, each once, and every address with its fate.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use support::graph::Graph;
use support::{Answer, Folder, MODELS, Site, crawl, rows, settings};
use switchboard_crawl::{Address, Crawl, Ended, Fate, Handle, Settings, explain};
use switchboard_runtime::Model;

#[test]
fn each_model_fetches_what_a_walk_of_the_links_gives() {
    let graph = Graph(300);
    for model in MODELS {
        let site = Site::start(Duration::ZERO, move |path| graph.answer(path));
        let folder = Folder::new("complete");
        let report = crawl(Settings {
            model,
            out: vec![folder.path("pages.jsonl")],
            ..settings(&site, &folder)
        });
        assert_eq!(report.ended, Ended::Complete, "{model}");
        assert_eq!(rows(&folder.path("pages.jsonl")), graph.rows(), "{model}");
        let walk = graph.walk();
        let of = |fate: Fate| walk.values().filter(|it| *it == fate.name()).count() as u64;
        for fate in [Fate::Fetched, Fate::Failed, Fate::Robots] {
            assert_eq!(report.counts.of(fate), of(fate), "{model}: {fate}");
        }
        assert_eq!(report.counts.discovered(), walk.len() as u64, "{model}");
        let twice: Vec<_> = site
            .seen
            .counts()
            .into_iter()
            .filter(|(_, times)| *times > 1)
            .collect();
        assert!(
            twice.is_empty(),
            "{model}: asked for more than once: {twice:?}"
        );
    }
}

#[test]
fn the_depth_is_that_of_the_shortest_way_and_the_same_in_every_run() {
    let graph = Graph(200);
    let mut first = None;
    for model in MODELS {
        let site = Site::start(Duration::ZERO, move |path| graph.answer(path));
        let folder = Folder::new("depth");
        let report = crawl(Settings {
            model,
            depth: Some(3),
            out: vec![folder.path("pages.jsonl")],
            ..settings(&site, &folder)
        });
        assert!(report.counts.of(Fate::Depth) > 0, "{}", report.counts);
        let rows = rows(&folder.path("pages.jsonl"));
        let first = first.get_or_insert_with(|| (rows.clone(), report.counts.of(Fate::Depth)));
        assert_eq!(first, &(rows, report.counts.of(Fate::Depth)), "{model}");
    }
}

#[test]
fn no_more_pages_are_fetched_than_asked_for_and_more_can_be_later() {
    let graph = Graph(200);
    let site = Site::start(Duration::from_millis(1), move |path| graph.answer(path));
    let folder = Folder::new("budget");
    let settings = Settings {
        pages: Some(20),
        out: vec![folder.path("pages.jsonl")],
        ..settings(&site, &folder)
    };
    let report = crawl(settings.clone());
    assert_eq!(report.ended, Ended::Budget);
    assert_eq!(report.counts.of(Fate::Fetched), 20);
    assert!(report.counts.budget > 0);
    assert_eq!(report.counts.of(Fate::Pending), 0);
    let report = crawl(Settings {
        pages: None,
        resume: true,
        ..settings
    });
    assert_eq!(report.ended, Ended::Complete);
    assert_eq!(rows(&folder.path("pages.jsonl")), graph.rows());
}

#[test]
fn a_crawl_that_was_stopped_goes_on_under_another_model() {
    let graph = Graph(400);
    let handle = Arc::new(OnceLock::<Handle>::new());
    let (stops, count) = (handle.clone(), AtomicUsize::new(0));
    // The crawl is stopped at the fiftieth request, however busy the machine is.
    let site = Site::start(Duration::from_millis(1), move |path| {
        if count.fetch_add(1, Ordering::Relaxed) == 49 {
            stops.wait().stop();
        }
        graph.answer(path)
    });
    let folder = Folder::new("stop");
    let settings = Settings {
        out: vec![folder.path("pages.jsonl")],
        ..settings(&site, &folder)
    };
    let crawl = Crawl::open(settings.clone()).unwrap();
    assert!(handle.set(crawl.handle()).is_ok());
    let report = crawl.run().unwrap();
    assert_eq!(report.ended, Ended::Stopped);
    assert!(report.counts.of(Fate::Pending) > 0);
    let report = self::crawl(Settings {
        resume: true,
        model: Model::Green,
        ..settings
    });
    assert_eq!(report.ended, Ended::Complete);
    assert_eq!(rows(&folder.path("pages.jsonl")), graph.rows());
    // Nothing was under way that was not kept.
    assert!(site.seen.counts().values().all(|times| *times == 1));
}

#[test]
fn a_crawl_that_is_stopped_very_often_ends() {
    let graph = Graph(3000);
    let is_stopped = Arc::new(AtomicBool::new(false));
    let (stopped, count) = (is_stopped.clone(), AtomicUsize::new(0));
    // The first answers are given before it is stopped, and the others after it.
    let site = Site::start(Duration::ZERO, move |path| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) < 20;
        while !is_first && !stopped.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        graph.answer(path)
    });
    let folder = Folder::new("often");
    let crawl = Crawl::open(settings(&site, &folder)).unwrap();
    let handle = crawl.handle();
    let ended = Arc::new(AtomicBool::new(false));
    let stopper = std::thread::spawn({
        let ended = ended.clone();
        move || {
            while handle.progress().counts.of(Fate::Fetched) == 0 {
                std::thread::yield_now();
            }
            while !ended.load(Ordering::Relaxed) {
                handle.stop();
                is_stopped.store(true, Ordering::Relaxed);
            }
        }
    });
    let report = crawl.run().unwrap();
    ended.store(true, Ordering::Relaxed);
    stopper.join().unwrap();
    assert_eq!(report.ended, Ended::Stopped);
    assert!(report.counts.of(Fate::Pending) > 0);
}

#[test]
fn an_output_that_comes_before_the_first_page_is_known_from_then_on() {
    let graph = Graph(10);
    let site = Site::start(Duration::ZERO, move |path| graph.answer(path));
    let folder = Folder::new("outputs");
    let settings = Settings {
        out: vec![folder.path("pages.jsonl")],
        resume: true,
        ..settings(&site, &folder)
    };
    // Two runs that are killed before their first commit; the second one has another output.
    drop(Crawl::open(settings.clone()).unwrap());
    let settings = Settings {
        out: vec![folder.path("pages.jsonl"), folder.path("pages.csv")],
        ..settings
    };
    drop(Crawl::open(settings.clone()).unwrap());
    std::fs::write(folder.path("pages.csv"), "seq,addr").unwrap();
    crawl(settings);
    let csv = std::fs::read_to_string(folder.path("pages.csv")).unwrap();
    assert!(csv.starts_with("seq,address,"), "{csv}");
}

#[test]
fn what_traps_have_counted_outlives_a_run() {
    let site = Site::start(Duration::ZERO, |path| match path {
        "/" => Answer::html("<a href='/x?sid=aaaaaaa1'>x</a> <a href=/next>n</a>"),
        "/next" => Answer::html("<a href='/x?sid=bbbbbbb2'>x</a>"),
        "/robots.txt" => Answer::status(404),
        _ => Answer::html("a page"),
    });
    let folder = Folder::new("counted");
    let settings = Settings {
        pages: Some(2),
        ..settings(&site, &folder)
    };
    let report = crawl(settings.clone());
    assert_eq!(report.counts.of(Fate::Fetched), 2);
    let report = crawl(Settings {
        pages: None,
        resume: true,
        ..settings
    });
    // The second number of a session is that of a page which the first run has fetched.
    assert_eq!(report.counts.of(Fate::Fetched), 3, "{}", report.counts);
    assert_eq!(report.counts.of(Fate::Trap), 1, "{}", report.counts);
}

#[test]
fn every_address_says_what_became_of_it() {
    let graph = Graph(60);
    let site = Site::start(Duration::ZERO, move |path| match path {
        "/p/1" => Answer::html("<a href='http://elsewhere.example/x'>x</a> <a href='/p/3'>3</a>"),
        path => graph.answer(path),
    });
    let folder = Folder::new("explain");
    crawl(settings(&site, &folder));
    let tell = |path: &str| {
        let address = Address::parse(&format!("{}{path}", site.url)).unwrap();
        explain(&folder.path("state"), &address)
            .unwrap()
            .to_string()
    };
    let url = &site.url;
    assert_eq!(
        tell("/private/0"),
        format!(
            "{url}/private/0: robots, robots.txt says `Disallow: /private/`, depth 1\n  \
             found on {url}/: fetched, status 200, depth 0\n  a page that the crawl began with"
        )
    );
    assert!(tell("/missing/0").starts_with(&format!("{url}/missing/0: failed, status 404")));
    assert!(tell("/r/0").starts_with(&format!(
        "{url}/r/0: fetched, status 302, to {url}/p/3, depth 1"
    )));
    assert!(tell("/nowhere").contains("not discovered"));
    let elsewhere = Address::parse("http://elsewhere.example/x").unwrap();
    let told = explain(&folder.path("state"), &elsewhere).unwrap();
    assert_eq!(told.chain()[0].fate, Fate::Scope);
}

#[test]
fn folders_of_others_are_refused_in_one_line() {
    let graph = Graph(10);
    let site = Site::start(Duration::ZERO, move |path| graph.answer(path));
    let folder = Folder::new("refused");
    let settings = settings(&site, &folder);
    let refused = |settings: Settings| {
        let error = Crawl::open(settings)
            .err()
            .expect("it is refused")
            .to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    // A folder that is used for something else.
    let taken = Settings {
        state: folder.0.clone(),
        ..settings.clone()
    };
    std::fs::write(folder.path("notes.txt"), "mine").unwrap();
    assert!(refused(taken).contains("holds `notes.txt` and no crawl"));
    // A file that is no store.
    std::fs::create_dir(folder.path("odd")).unwrap();
    std::fs::write(folder.path("odd/crawl.redb"), "what is this?".repeat(1000)).unwrap();
    let odd = Settings {
        state: folder.path("odd"),
        resume: true,
        ..settings.clone()
    };
    assert!(refused(odd).contains("is not that of a crawl"));
    // One that another process, here another handle, has open.
    let open = Crawl::open(settings.clone()).unwrap();
    let again = Settings {
        resume: true,
        ..settings.clone()
    };
    assert!(refused(again.clone()).contains("another process crawls with it"));
    open.run().unwrap();
    // One that exists, without --resume; another crawl's.
    assert!(refused(settings.clone()).contains("go on with --resume"));
    let other = Settings {
        depth: Some(1),
        ..again.clone()
    };
    assert!(refused(other).contains("its depth: no limit; asked for: 1"));
    // Nothing to go on with; no URL; a model that cannot.
    let nothing = Settings {
        seeds: Vec::new(),
        state: folder.path("nothing"),
        ..again.clone()
    };
    assert!(refused(nothing).contains("holds no crawl to go on with"));
    let no_url = Settings {
        seeds: vec!["example.com/x".to_owned()],
        ..settings.clone()
    };
    assert!(refused(no_url).contains("did you mean http://example.com/x?"));
    for model in [Model::Processes, Model::Callbacks] {
        let settings = Settings {
            model,
            ..settings.clone()
        };
        assert!(refused(settings).contains("runs no crawl"));
    }
    // An output that is somebody else's.
    std::fs::write(folder.path("mine.jsonl"), "{}\n").unwrap();
    let output = Settings {
        state: folder.path("new"),
        out: vec![folder.path("mine.jsonl")],
        ..settings
    };
    assert!(refused(output).contains("mine.jsonl"));
}
