//! `switchboard crawl` against `switchboard serve`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::served::{BINARY, Served, run};

/// A folder of this test, which is gone at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("cli-crawl-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes a site of 60 pages in a chain, each of which links to the next one and to one that is missing.
fn write_site(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for page in 0..60 {
        let name = if page == 0 {
            "index".to_owned()
        } else {
            format!("page{page}")
        };
        let text = format!(
            "<a href=page{}.html>next</a> <a href=missing.html>none</a>",
            page + 1
        );
        std::fs::write(folder.join(format!("{name}.html")), text).unwrap();
    }
}

pub(crate) fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn pages(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut pages: Vec<_> = rows
        .map(|row| row["address"].as_str().unwrap().to_owned())
        .collect();
    pages.sort();
    pages
}

#[test]
fn a_folder_that_is_served_is_crawled_whole_under_each_model() {
    let folder = Folder::new();
    write_site(&folder.0.join("site"));
    let served = Served::start(
        &["files", &folder.path("site"), "--listen", "127.0.0.1:0"],
        None,
    );
    let url = format!("http://{}/", served.addr);
    for model in ["blocking", "threads", "pool", "tasks", "green"] {
        let (state, out) = (folder.path(model), folder.path(&format!("{model}.jsonl")));
        let crawl = [
            "crawl", &url, "--delay", "0", "--model", model, "--state", &state, "--out", &out,
        ];
        let output = run(&crawl);
        let (report, errors) = text(&output);
        assert_eq!(output.status.code(), Some(0), "{model}: {errors}");
        let sum = "discovered 62 = fetched 60 + failed 2 + robots 0 + scope 0 + depth 0 + budget 0 + trap 0 + pending 0\n";
        assert!(report.starts_with(sum), "{model}: {report}");
        assert!(
            report.contains("failed: status 404 × 2\n"),
            "{model}: {report}"
        );
        assert_eq!(pages(&out).len(), 62, "{model}");
        let explained = run(&[
            "crawl",
            "--explain",
            &format!("{url}page2.html"),
            "--state",
            &state,
        ]);
        let told = text(&explained).0;
        assert!(
            told.starts_with(&format!("{url}page2.html: fetched, status 200, depth 2\n")),
            "{told}"
        );
        assert!(
            told.contains(&format!("found on {url}page1.html")),
            "{told}"
        );
    }
}

#[test]
fn a_crawl_that_is_interrupted_says_how_to_go_on_and_does() {
    let folder = Folder::new();
    write_site(&folder.0.join("site"));
    let served = Served::start(
        &["files", &folder.path("site"), "--listen", "127.0.0.1:0"],
        None,
    );
    let url = format!("http://{}/", served.addr);
    let (state, out) = (folder.path("state"), folder.path("pages.jsonl"));
    let begin = [
        "crawl", &url, "--delay", "2s", "--state", &state, "--out", &out,
    ];
    let child = Command::new(BINARY)
        .args(begin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The crawl takes two minutes; it has begun once it has an output.
    while std::fs::metadata(&out).map_or(0, |file| file.len()) == 0 {
        std::thread::yield_now();
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let (report, errors) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("stopping: "), "{errors}");
    assert!(
        report.contains(&format!(
            "stopped, nothing is lost; go on: --resume --state {state}\n"
        )),
        "{report}"
    );
    let before = pages(&out).len();
    assert!(before < 62);
    let output = run(&["crawl", "--resume", "--state", &state, "--delay", "0"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output).1);
    assert_eq!(pages(&out).len(), 62);
}

#[test]
fn another_interrupt_ends_a_crawl_at_once_and_it_goes_on_later() {
    let folder = Folder::new();
    write_site(&folder.0.join("site"));
    // A peer that takes a request, and does not answer it as long as the crawl lives.
    // Clients that connect to a port of this address never get that port themselves, so that it stays free.
    let silent = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let state = folder.path("state");
    let mut child = Command::new(BINARY)
        .args([
            "crawl",
            &url,
            "--no-robots",
            "--delay",
            "0",
            "--state",
            &state,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stream, _) = silent.accept().unwrap();
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    let id = rustix::process::Pid::from_child(&child);
    let interrupt = || rustix::process::kill_process(id, rustix::process::Signal::INT);
    interrupt().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    // The request may be sent before it is counted.
    while !(line.contains("stopping: ") && line.contains(" requests are under way")) {
        line.clear();
        assert_ne!(errors.read_line(&mut line).unwrap(), 0, "it has ended");
    }
    // One that comes with the first is the same request, so it is said until it counts.
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        interrupt().unwrap();
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(1));
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert!(
        rest.contains("stopped at once: what was under way will be fetched again"),
        "{rest}"
    );
    // The same address is answered now.
    drop((stream, silent));
    let listen = url.trim_start_matches("http://").trim_end_matches('/');
    let _served = Served::start(&["files", &folder.path("site"), "--listen", listen], None);
    let output = run(&[
        "crawl",
        "--resume",
        "--no-robots",
        "--state",
        &state,
        "--delay",
        "0",
    ]);
    let (report, errors) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(
        report.starts_with("discovered 62 = fetched 60 + failed 2"),
        "{report}"
    );
}

#[test]
fn wrong_usage_is_one_line_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let state = folder.path("state");
    for (arguments, why) in [
        (&["example.com/x"][..], "did you mean http://example.com/x?"),
        (
            &["http://127.0.0.1:1/", "--model", "processes"],
            "runs no crawl",
        ),
        (&["http://127.0.0.1:1/", "--scope", "("], "scope"),
        (&[], "nothing to crawl"),
        (
            &["http://127.0.0.1:1/", "--delay", "soon"],
            "use a time such as",
        ),
        (&["--resume"], "holds no crawl to go on with"),
    ] {
        let output = run(&[&["crawl", "--state", &state], arguments].concat());
        let (_, errors) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(why), "{arguments:?}: {errors}");
        assert!(!Path::new(&state).exists(), "{arguments:?}");
    }
}
