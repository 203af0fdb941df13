//! The page of `serve chat`, in Chromium: `tests/page/page.test.mjs`, run by Node.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::served::BINARY;

/// Each test ends itself after a minute; this limit is for a Node that does not end.
const LIMIT: Duration = Duration::from_secs(600);

/// Returns what is missing, and what to do about it.
fn missing(folder: &Path) -> Option<&'static str> {
    let runs = |program| Command::new(program).arg("--version").output().is_ok();
    if !runs("chromium") {
        Some("chromium is not installed")
    } else if !runs("node") {
        Some("node is not installed")
    } else if !folder.join("node_modules").exists() {
        Some("its packages are not installed: run `npm ci` in crates/cli/tests/page")
    } else {
        None
    }
}

#[test]
fn two_browsers_talk_and_come_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    if let Some(missing) = missing(&folder) {
        println!("skip: the page in a browser: {missing}");
        return;
    }
    let mut node = Command::new("node")
        .args(["--test", "--test-reporter=spec", "page.test.mjs"])
        .current_dir(folder)
        .env("SWITCHBOARD", BINARY)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let (lines, said) = channel();
    let stdout = BufReader::new(node.stdout.take().unwrap());
    std::thread::spawn(move || {
        stdout
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| lines.send(line))
    });
    let end = Instant::now() + LIMIT;
    let mut text = String::new();
    loop {
        match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => text += &format!("{line}\n"),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let group = Pid::from_child(&node);
                kill_process_group(group, Signal::KILL).unwrap();
                node.wait().unwrap();
                panic!("not done after {} s:\n{text}", LIMIT.as_secs());
            }
        }
    }
    assert!(node.wait().unwrap().success(), "{text}");
}
