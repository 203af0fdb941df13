//! The pages, in Chromium, run by Node: that of `serve chat` by `tests/page/page.test.mjs`, that of a report of the lab by
//! `tests/page/report.test.mjs`.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::report::{Folder, sample};
use crate::served::{BINARY, run};

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

/// Runs a file of tests in the browser, which finds its subject by a variable of the environment.
fn in_browser(file: &str, (variable, value): (&str, &Path)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    if let Some(missing) = missing(&folder) {
        println!("skip: the page in a browser: {missing}");
        return;
    }
    let mut node = Command::new("node")
        .args(["--test", "--test-reporter=spec", file])
        .current_dir(folder)
        .env(variable, value)
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

#[test]
fn two_browsers_talk_and_come_back() {
    in_browser("page.test.mjs", ("SWITCHBOARD", Path::new(BINARY)));
}

#[test]
fn a_report_is_fit_for_every_screen_and_reader() {
    let folder = Folder::new("browser");
    let report = folder.report("a.json", &sample::report(1));
    let page = folder.0.join("a.html");
    let made = run(&["report", &report, "--html", page.to_str().unwrap()]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    in_browser("report.test.mjs", ("REPORT", &page));
}
