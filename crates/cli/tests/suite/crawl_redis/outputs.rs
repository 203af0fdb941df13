//! Files that are not the outputs of a shared crawl stay as they are.

use std::time::Duration;

use super::support::graph::Graph;
use super::support::{Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server, until};
use crate::served::run;

#[test]
fn an_output_that_a_process_did_not_begin_with_is_refused_and_keeps_its_bytes() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(3);
    let site = Site::start(Duration::ZERO, move |path| graph.answer(path));
    let folder = Folder::new("redis-notes");
    let (state, notes) = (folder.path("state"), folder.path("notes.jsonl"));
    let (state, file) = (state.to_str().unwrap(), notes.to_str().unwrap());
    let (url, redis_url) = (format!("{}/", site.url), redis.url());
    let common = [
        "crawl", "--redis", &redis_url, "--name", "n", "--state", state, "--delay", "0",
    ];
    let begun = run(&[&common[..], &[&url]].concat());
    assert_eq!(begun.status.code(), Some(0), "{begun:?}");
    std::fs::write(&notes, "a user's notes\n").unwrap();
    let resumed = run(&[&common[..], &["--resume", "--out", file]].concat());
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "a user's notes\n");
    let errors = String::from_utf8(resumed.stderr).unwrap();
    assert_eq!(resumed.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("was not written from the begin of this process"),
        "{errors}"
    );
    // A process that is refused has not joined.
    assert_eq!(redis.ask(&["ZCARD", "{crawl:n}:sessions"]), 0);
}

#[test]
fn a_process_that_cannot_make_its_folder_leaves_no_output() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let graph = Graph(3);
    let site = Site::start(Duration::ZERO, move |path| graph.answer(path));
    let folder = Folder::new("redis-no-folder");
    let output = folder.path("a.jsonl");
    let (url, redis_url) = (format!("{}/", site.url), redis.url());
    let crawl = |lease: &str, state: &str, output: &str| {
        let common = [
            "crawl", "--redis", &redis_url, "--delay", "0", "--name", "n",
        ];
        let own = ["--state", state, "--out", output, "--lease", lease, &url];
        run(&[common, own].concat())
    };
    let failed = crawl("1", "/proc/nothing/state", output.to_str().unwrap());
    let errors = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{errors}");
    assert!(errors.contains("/proc/nothing/state"), "{errors}");
    assert!(!output.exists());
    until("its lease has ended", || {
        let seconds = redis.ask(&["TIME"])[0].to_string();
        let now = format!("{}000", seconds.trim_matches('"'));
        redis.ask(&["ZCOUNT", "{crawl:n}:sessions", &now, "+inf"]) == 0
    });
    // Another one writes the same file, of which the first one's length says nothing.
    let state = folder.path("b");
    let other = crawl("30", state.to_str().unwrap(), output.to_str().unwrap());
    let errors = String::from_utf8(other.stderr).unwrap();
    assert_eq!((other.status.code(), &*errors), (Some(0), ""));
    let printed = String::from_utf8(other.stdout).unwrap();
    assert!(!printed.contains("truncate"), "{printed}");
    assert!(output.metadata().unwrap().len() > 0);
}
