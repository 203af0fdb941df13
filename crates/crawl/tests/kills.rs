//! Crawls that are killed, at every step of a commit and at any time: nothing is lost, nothing comes twice.

mod support;

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use support::graph::Graph;
use support::{Answer, Folder, Site, rows, settings};
use switchboard_crawl::{Crawl, Ended, Fate, Settings};
use switchboard_runtime::Model;

const GRAPH: Graph = Graph(400);

/// The steps of a commit.
const PLACES: [&str; 5] = [
    "before-append",
    "after-append",
    "after-sync",
    "before-commit",
    "after-commit",
];

/// Pages that may be fetched again after a kill: those in flight, those of the batch whose commit was under way, and those
/// of the next one.
const AGAIN: usize = 2 * 256 + 16;

/// Is no test, but the process that the others kill: a crawl of the URL in a folder, as the variables say.
#[test]
fn child() {
    let Ok(url) = std::env::var("CRAWL_CHILD_URL") else {
        return;
    };
    let folder = std::env::var("CRAWL_CHILD_FOLDER").unwrap();
    let folder = Path::new(&folder);
    let model: Model = std::env::var("CRAWL_CHILD_MODEL").unwrap().parse().unwrap();
    let crawl = Crawl::open(Settings {
        seeds: vec![url],
        state: folder.join("state"),
        delay: Duration::ZERO,
        concurrency: 16,
        per_host: 16,
        model,
        out: outputs(folder),
        resume: true,
        ..Settings::default()
    });
    let report = crawl.and_then(Crawl::run);
    match report {
        Ok(report) => assert_eq!(report.ended, Ended::Complete),
        Err(error) => {
            eprintln!("crawl: {error}");
            std::process::exit(3);
        }
    }
}

fn outputs(folder: &Path) -> Vec<std::path::PathBuf> {
    ["pages.jsonl", "pages.csv", "pages.warc.gz"]
        .map(|name| folder.join(name))
        .to_vec()
}

/// Starts a crawl in a process of its own, as `command` begins.
fn start(mut command: Command, site: &Site, folder: &Folder, model: Model) -> Child {
    command
        .args(["child", "--exact", "--nocapture"])
        .env("CRAWL_CHILD_URL", format!("{}/", site.url))
        .env("CRAWL_CHILD_FOLDER", &folder.0)
        .env("CRAWL_CHILD_MODEL", model.name())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

/// Opens the crawl as the next run does, which cuts the outputs, and checks that they have what its books say.
fn check(site: &Site, folder: &Folder) {
    if !folder.path("state/crawl.redb").exists() {
        return;
    }
    let crawl = Crawl::open(Settings {
        out: outputs(&folder.0),
        resume: true,
        ..settings(site, folder)
    });
    let crawl = crawl.unwrap();
    let counts = crawl.handle().progress().counts;
    drop(crawl);
    let rows = rows(&folder.path("pages.jsonl"));
    let answered = counts.of(Fate::Fetched) + counts.of(Fate::Failed);
    assert_eq!(rows.len() as u64, answered, "{counts}");
    let csv = std::fs::read_to_string(folder.path("pages.csv")).unwrap();
    assert_eq!(csv.lines().count().saturating_sub(1), rows.len());
    let mut archive = String::new();
    let bytes = std::fs::read(folder.path("pages.warc.gz")).unwrap();
    if !bytes.is_empty() {
        let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
        std::io::Read::read_to_string(&mut decoder, &mut archive).unwrap();
    }
    let known: Vec<_> = rows.keys().collect();
    assert!(
        known
            .iter()
            .all(|path| archive.contains(&format!("{path}\r\n")))
    );
}

/// Runs the crawl to its end, and checks that it is as if it had never been killed.
fn finish(site: &Site, folder: &Folder, model: Model, kills: usize) {
    let output = start(program(), site, folder, model)
        .wait_with_output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert_eq!(rows(&folder.path("pages.jsonl")), GRAPH.rows());
    check(site, folder);
    let counts = site.seen.counts();
    // robots.txt is asked for by each run until an answer is kept.
    let again: usize = counts
        .iter()
        .filter(|(path, _)| *path != "/robots.txt")
        .map(|(_, times)| times - 1)
        .sum();
    assert!(
        again <= kills * AGAIN,
        "{again} requests were sent again after {kills} kills"
    );
}

#[test]
fn a_kill_at_any_step_of_a_commit_loses_nothing() {
    // Release builds have no such steps.
    if !cfg!(debug_assertions) {
        return;
    }
    let site = || Site::start(Duration::from_millis(1), |path| GRAPH.answer(path));
    for place in PLACES {
        for time in [1, 3] {
            let (site, folder) = (site(), Folder::new("kill"));
            let mut command = program();
            command.env("SWITCHBOARD_CRAWL_KILL", format!("{place}:{time}"));
            let status = start(command, &site, &folder, Model::Tasks).wait().unwrap();
            assert!(was_killed(status), "{place}:{time}: {status}");
            check(&site, &folder);
            finish(&site, &folder, Model::Tasks, 1);
        }
    }
}

#[test]
fn requests_go_on_while_a_commit_is_under_way_and_a_kill_then_loses_nothing() {
    // Release builds cannot hold a commit.
    if !cfg!(debug_assertions) {
        return;
    }
    // Page 0 links to all others, so that the commits are: the seed, page 0, then each 256 pages.
    let site = Site::start(Duration::ZERO, |path| match path {
        "/" => Answer::html(
            (1..=500)
                .map(|page| format!("<a href=/{page}>a</a>"))
                .collect::<String>(),
        ),
        "/robots.txt" => Answer::status(404),
        _ => Answer::html("a page"),
    });
    let paths = |folder: &Folder| -> Vec<String> {
        rows(&folder.path("pages.jsonl")).into_keys().collect()
    };
    for (place, is_killed) in [("before-append", false), ("before-commit", true)] {
        let folder = Folder::new("hold");
        let begin = site.seen.requests();
        let go_on = folder.path("go-on");
        let mut command = program();
        command.env(
            "SWITCHBOARD_CRAWL_HOLD",
            format!("{place}:3:{}", go_on.display()),
        );
        let mut child = start(command, &site, &folder, Model::Tasks);
        // While the commit of 256 pages is held, the others are asked for: robots.txt, page 0, and up to 500 pages.
        let limit = Instant::now() + Duration::from_secs(60);
        while site.seen.requests() - begin < 2 + 400 {
            assert!(
                Instant::now() < limit,
                "{place}: {} requests only",
                site.seen.requests() - begin
            );
            std::thread::yield_now();
        }
        assert_eq!(paths(&folder).len(), if is_killed { 257 } else { 1 });
        if is_killed {
            child.kill().unwrap();
            child.wait().unwrap();
            check(&site, &folder);
            child = start(program(), &site, &folder, Model::Tasks);
        } else {
            std::fs::write(&go_on, "").unwrap();
        }
        assert!(child.wait().unwrap().success(), "{place}");
        assert_eq!(paths(&folder).len(), 501, "{place}");
    }
}

#[test]
fn kills_at_any_time_lose_nothing() {
    let kills = std::env::var("CRAWL_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let seed =
        std::env::var("CRAWL_SEED").map_or_else(|_| fastrand::u64(..), |it| it.parse().unwrap());
    println!("CRAWL_SEED={seed} CRAWL_KILLS={kills}");
    let mut random = fastrand::Rng::with_seed(seed);
    let models = [Model::Tasks, Model::Threads, Model::Green, Model::Pool];
    let mut killed = 0;
    while killed < kills {
        let site = Site::start(Duration::from_millis(1), |path| GRAPH.answer(path));
        let folder = Folder::new("kills");
        let mut here = 0;
        // A few kills of each crawl, then it may finish.
        for _ in 0..random.usize(1..=5) {
            let model = models[random.usize(..models.len())];
            let mut child = start(program(), &site, &folder, model);
            let until = site.seen.requests() + random.usize(1..150);
            let ended = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break Some(status),
                    None if site.seen.requests() >= until => break None,
                    None => std::thread::yield_now(),
                }
            };
            if ended.is_some() {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            (here, killed) = (here + 1, killed + 1);
            check(&site, &folder);
        }
        finish(&site, &folder, Model::Tasks, here);
    }
}

#[test]
fn a_disk_without_room_keeps_what_was_fetched() {
    let big = |path: &str| {
        let mut answer: Answer = GRAPH.answer(path);
        if answer.status == 200 && path != "/robots.txt" {
            // Bytes that nothing compresses.
            let noise: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
            answer.body += &format!("<!-- {noise} -->");
        }
        answer
    };
    let site = Site::start(Duration::ZERO, big);
    let folder = Folder::new("full");
    let mut command = Command::new("sh");
    // Files of 4 MiB at most; a write beyond is an error, and no signal.
    let script = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
    command
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap());
    let output = start(command, &site, &folder, Model::Tasks)
        .wait_with_output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    let told: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("crawl: "))
        .collect();
    assert_eq!(told.len(), 1, "{text}");
    assert!(
        told[0].contains("pages.warc.gz") && told[0].contains("too large"),
        "{told:?}"
    );
    check(&site, &folder);
    assert!(
        !rows(&folder.path("pages.jsonl")).is_empty(),
        "what was fetched is kept"
    );
    finish(&site, &folder, Model::Tasks, 1);
}
