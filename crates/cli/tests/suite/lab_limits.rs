//! The experiments `limits` and `switch` with the real program: the limit that was set is the one that is named, and
//! nothing is left behind.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use switchboard_lab::{Effort, Lab, Section, Value, experiments, tree};

use crate::served::BINARY;

/// The program as a script that sets limits first. Whatever it starts has a mark in its environment.
struct Limited {
    folder: PathBuf,
    mark: String,
}

impl Limited {
    fn new(name: &str, before: &str) -> Limited {
        let mark = format!("lab-limits-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(&mark);
        fs::create_dir_all(&folder).unwrap();
        let script = format!("#!/bin/sh\nexport LAB_MARK={mark}\n{before} {BINARY} \"$@\"\n");
        // Written by another process: a child that another test forks meanwhile would have the file open for writing
        // until its own exec, and what is open for writing cannot be executed.
        let write = r#"printf %s "$1" > "$0" && chmod 755 "$0""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", write]).arg(folder.join("switchboard"));
        assert!(shell.arg(script).status().unwrap().success());
        Limited { folder, mark }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("switchboard")
    }

    fn run(&self, experiment: &str) -> Section {
        let mut all = experiments().iter();
        let experiment = all.find(|each| each.name() == experiment).unwrap();
        let lab = Lab::new(self.program(), Effort::Quick, Vec::new(), Duration::ZERO);
        experiment.run(&lab).unwrap()
    }

    /// Returns the processes that were started under this mark, and still run.
    fn left(&self) -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let marked = processes.filter(|process| {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&self.mark)
        });
        marked
            .map(|process| process.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns how many there were of a kind, and what ended it.
fn ended(section: &Section, kind: &str) -> (f64, String) {
    let table = &section.tables[0];
    let number = table.figure(kind, "number").unwrap().median();
    let row = table.rows.iter().find(|row| row.name == kind).unwrap();
    match row.values.last().unwrap() {
        Some(Value::Text(text)) => (number, text.clone()),
        other => panic!("{kind}: {other:?}"),
    }
}

#[test]
fn the_limit_of_descriptors_is_named_and_the_rest_goes_on() {
    let limited = Limited::new("files", "ulimit -n 200; exec");
    let section = limited.run("limits");
    let (sockets, by) = ended(&section, "sockets");
    assert_eq!(by, "RLIMIT_NOFILE = 200 (EMFILE)");
    assert!((150.0..200.0).contains(&sockets), "{sockets}");
    for kind in ["threads", "processes", "green threads", "tasks", "timers"] {
        let (number, by) = ended(&section, kind);
        assert!(number >= 100.0, "{kind}: {number}");
        assert!(by.contains("this experiment's own bound"), "{kind}: {by}");
        let creation = section.tables[0].figure(kind, "creation").unwrap();
        assert!(creation.median() > 0.0, "{kind}");
    }
    let own = section.tables[0].figure("threads", "own memory").unwrap();
    assert!((1_000.0..200_000.0).contains(&own.median()), "{own:?}");
    let text = "sockets are possible here, ended by RLIMIT_NOFILE = 200 (EMFILE).";
    assert!(section.findings.iter().any(|line| line.ends_with(text)));
    assert!(section.plots.iter().all(|plot| !plot.series.is_empty()));
    assert_eq!(limited.left(), [] as [&str; 0]);
}

#[test]
fn the_limit_of_addresses_is_named() {
    let limited = Limited::new("addresses", "ulimit -v 1048576; exec");
    let section = limited.run("limits");
    for kind in ["threads", "green threads"] {
        let (number, by) = ended(&section, kind);
        assert!(by.starts_with("RLIMIT_AS = 1 GiB"), "{kind}: {by}");
        assert!(number < 2_000.0, "{kind}: {number}");
    }
    assert!(ended(&section, "sockets").0 > 1.0);
    assert_eq!(limited.left(), [] as [&str; 0]);
}

#[test]
fn the_limit_of_processes_of_a_user_is_named() {
    let change = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let allowed = Command::new("sh")
        .args([
            "-c",
            &format!("prlimit --nproc=150 {change} {BINARY} --version"),
        ])
        .output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skip: the limit of processes: needs root, prlimit, setpriv, and a program that others may run"
        );
        return;
    }
    let limited = Limited::new("processes", &format!("exec prlimit --nproc=150 {change}"));
    let section = limited.run("limits");
    for kind in ["threads", "processes"] {
        let (number, by) = ended(&section, kind);
        assert_eq!(by, "RLIMIT_NPROC = 150 (EAGAIN)", "{kind}");
        assert!((50.0..150.0).contains(&number), "{kind}: {number}");
    }
    assert_eq!(limited.left(), [] as [&str; 0]);
}

#[test]
fn a_killed_lab_leaves_nothing_behind() {
    let limited = Limited::new("killed", "exec");
    let mut lab = Command::new(limited.program())
        .args(["compare", "limits"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while tree(lab.id()).len() < 2 {
        assert!(Instant::now() < deadline, "nothing was started");
    }
    lab.kill().unwrap();
    lab.wait().unwrap();
    while !limited.left().is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", limited.left());
    }
}

#[test]
fn every_wait_has_its_price() {
    let limited = Limited::new("switch", "exec");
    let section = limited.run("switch");
    let rows = || section.tables.iter().flat_map(|table| &table.rows);
    assert_eq!(rows().count(), 23);
    for row in rows() {
        match (&row.values[0], &row.error) {
            (Some(Value::Figure(figure)), None) => assert!(figure.median() > 0.0, "{row:?}"),
            (None, Some(error)) => assert!(error.contains("two cores"), "{row:?}"),
            _ => panic!("{row:?}"),
        }
    }
    assert!(section.findings[0].starts_with("A switch between threads"));
    assert_eq!(section.plots.len(), 3);
    assert_eq!(limited.left(), [] as [&str; 0]);
}
