//! Files that are not the outputs of a shared crawl stay as they are.

use std::time::Duration;

use super::support::graph::Graph;
use super::support::{Folder, Site};
use crate::chat_nodes::redis::{Keeps, Server};
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
    let (url, redis) = (format!("{}/", site.url), redis.url());
    let common = ["crawl", "--redis", &redis, "--state", state, "--delay", "0"];
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
}
