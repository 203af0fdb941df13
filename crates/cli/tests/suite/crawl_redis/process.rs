//! A process of a shared crawl, and what the outputs of all of them have.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use super::support::Folder;
use crate::served::BINARY;

/// A process with a folder and an output by its name.
pub(super) struct Crawler(Child);

impl Crawler {
    pub(super) fn start(folder: &Folder, name: &str, redis: &str, arguments: &[&str]) -> Crawler {
        let redis = ["--redis", redis];
        Crawler::alone(folder, name, &[&redis, arguments].concat())
    }

    /// Starts one that shares nothing unless the arguments say so.
    pub(super) fn alone(folder: &Folder, name: &str, arguments: &[&str]) -> Crawler {
        Crawler::spawn(Command::new(BINARY), folder, name, arguments)
    }

    /// Starts one that ends as by a power cut at a place of its work.
    pub(super) fn doomed(
        folder: &Folder,
        name: &str,
        redis: &str,
        arguments: &[&str],
        place: &str,
    ) -> Crawler {
        let variable = ("SWITCHBOARD_CRAWL_KILL", place);
        Crawler::with(variable, folder, name, redis, arguments)
    }

    /// Starts one that waits at a place of its work, the Nth time that it is there, until a file is: `NAME:N:FILE`.
    pub(super) fn held(
        folder: &Folder,
        name: &str,
        redis: &str,
        arguments: &[&str],
        place: &str,
    ) -> Crawler {
        let variable = ("SWITCHBOARD_CRAWL_HOLD", place);
        Crawler::with(variable, folder, name, redis, arguments)
    }

    fn with(
        variable: (&str, &str),
        folder: &Folder,
        name: &str,
        redis: &str,
        arguments: &[&str],
    ) -> Crawler {
        let mut command = Command::new(BINARY);
        command.env(variable.0, variable.1);
        let redis = ["--redis", redis];
        Crawler::spawn(command, folder, name, &[&redis, arguments].concat())
    }

    fn spawn(mut command: Command, folder: &Folder, name: &str, arguments: &[&str]) -> Crawler {
        command.arg("crawl").args(arguments);
        command.arg("--state").arg(folder.path(name));
        command
            .arg("--out")
            .arg(folder.path(&format!("{name}.jsonl")));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Crawler(command.spawn().unwrap())
    }

    pub(super) fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits until it is gone.
    pub(super) fn wait(&mut self) {
        self.0.wait().unwrap();
    }

    /// Returns the exit status, `None` if it was killed, and what it has printed.
    pub(super) fn end(self) -> (Option<i32>, String, String) {
        let output = self.0.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Returns the report of one that comes to its end.
    pub(super) fn report(self) -> String {
        let (code, report, errors) = self.end();
        assert_eq!(code, Some(0), "{report}{errors}");
        report
    }
}

/// Waits for processes that come to their end, and returns their reports.
pub(super) fn reports<const N: usize>(crawlers: [Crawler; N]) -> [String; N] {
    crawlers.map(Crawler::report)
}

/// Returns the addresses of all outputs with their fates. One that comes twice is an error.
pub(super) fn union(folder: &Folder, names: &[&str]) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for name in names {
        let text = std::fs::read_to_string(folder.path(&format!("{name}.jsonl"))).unwrap();
        for (at, line) in text.lines().enumerate() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["seq"], at + 1, "{name}: rows are numbered one by one");
            let word = |field: &str| row[field].as_str().unwrap().to_owned();
            let before = rows.insert(word("address"), word("fate"));
            assert_eq!(before, None, "{name}: {} comes twice", word("address"));
        }
    }
    rows
}
