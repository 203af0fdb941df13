//! `switchboard report`: what is shown, what differs, and what is refused.

use std::fs;
use std::path::PathBuf;

use switchboard_lab::{Report, Value};

use crate::served::run;

#[path = "../../../lab/tests/sample/mod.rs"]
pub(crate) mod sample;

/// A folder that is removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("switchboard-report-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file, and returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a report, and returns its path.
    pub(crate) fn report(&self, name: &str, report: &Report) -> String {
        self.write(name, &serde_json::to_string(report).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `report`, and returns its status, stdout and stderr.
fn report(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(&[&["report"], arguments].concat());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Makes `tasks/epoll` a millisecond slower in all figures of `echo`.
fn slowed(seed: u64) -> Report {
    let mut report = sample::report(seed);
    let table = &mut report.sections[1].tables[0];
    for column in 1..5 {
        let Some(Value::Figure(figure)) = &mut table.rows[2].values[column] else {
            panic!()
        };
        let samples = figure
            .samples()
            .iter()
            .map(|sample| sample + 1e-3)
            .collect();
        *figure = switchboard_lab::Figure::of(samples).unwrap();
    }
    report
}

#[test]
fn one_report_is_shown_as_was_asked() {
    let folder = Folder::new("one");
    let path = folder.report("a.json", &sample::report(1));
    let (status, text, errors) = report(&[&path]);
    assert_eq!((status, errors.as_str()), (Some(0), ""));
    assert!(
        text.contains("io: Who fetches 40 pages") && text.ends_with("a pool of 2 processes.\n"),
        "{text}"
    );
    let (_, ascii, _) = report(&[&path, "--ascii"]);
    assert!(ascii.is_ascii() && ascii.lines().count() == text.lines().count());
    let (_, colour, _) = report(&[&path, "--color", "always"]);
    assert!(colour.contains("\x1b[1m") && !text.contains('\x1b'));
    let (_, json, _) = report(&[&path, "--json"]);
    assert_eq!(Report::from_json(&json), Ok(sample::report(1)));
    let (_, csv, _) = report(&[&path, "--csv"]);
    assert!(
        csv.starts_with("experiment,table,row,column,unit,round,value\r\nio,"),
        "{csv:.200}"
    );
    let page = folder.0.join("a.html");
    let (status, text, errors) = report(&[&path, "--html", page.to_str().unwrap()]);
    assert_eq!((status, text.as_str(), errors.as_str()), (Some(0), "", ""));
    assert!(
        fs::read_to_string(page)
            .unwrap()
            .starts_with("<!doctype html>")
    );
}

/// The sample's figures are random, so that those of two seeds are two samplings of the same.
#[test]
fn what_became_worse_decides_the_status() {
    let folder = Folder::new("two");
    let before = folder.report("a.json", &sample::report(1));
    let same = folder.report("b.json", &sample::report(2));
    let slow = folder.report("c.json", &slowed(2));
    let (status, text, errors) = report(&[&before, &same]);
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{text}");
    assert!(text.contains("none differs beyond noise"), "{text}");
    let (status, text, _) = report(&[&before, &slow]);
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.starts_with("worse\n  echo: tasks/epoll, CPU/trip: "),
        "{text}"
    );
    assert!(!text.contains("better"), "{text}");
    let (status, text, _) = report(&[&slow, &before]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("better\n  echo: tasks/epoll, "), "{text}");
    let (status, text, _) = report(&[&before, &slow, "--json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, Some(1));
    let changes = found["changes"].as_array().unwrap();
    assert!(
        changes
            .iter()
            .all(|change| change["row"] == "tasks/epoll" && change["direction"] == "worse"),
        "{text}"
    );
    assert!((3..=4).contains(&changes.len()), "{text}");
    let (status, text, _) = report(&[&before, &slow, "--least", "900%"]);
    assert!(
        status == Some(1) || text.contains("900 % or more"),
        "{text}"
    );
}

#[test]
fn what_is_no_report_is_refused_with_one_line() {
    let folder = Folder::new("refused");
    let good = folder.report("good.json", &sample::report(1));
    let newer = serde_json::to_string(&Report {
        version: Report::VERSION + 1,
        ..sample::report(1)
    })
    .unwrap();
    let files = [
        ("empty.json", "", "it is empty"),
        (
            "cut.json",
            &newer[..newer.len() / 2],
            "the JSON ends early, at line 1",
        ),
        (
            "broken.json",
            "{\"schema\": nothing}",
            "it is no JSON: expected ident at line 1 column 13",
        ),
        ("list.json", "[1, 2]", "it has no schema `switchboard-lab`"),
        (
            "other.json",
            "{\"schema\":\"k6\",\"version\":1}",
            "its schema is `k6`",
        ),
        (
            "newer.json",
            &newer,
            "it has version 2 of the schema, and this program reads 1 and before; use a newer one",
        ),
        (
            "none.json",
            "{\"schema\":\"switchboard-lab\"}",
            "its version of the schema is `null`",
        ),
        (
            "form.json",
            "{\"schema\":\"switchboard-lab\",\"version\":1,\"sections\":7}",
            "it is not of the form of its schema",
        ),
    ];
    for (name, text, expected) in files {
        let path = folder.write(name, text);
        for arguments in [&[path.as_str()][..], &[&good, &path], &[&path, &good]] {
            let (status, out, errors) = report(arguments);
            assert_eq!((status, out.as_str()), (Some(2), ""), "{name}");
            assert!(
                errors.contains(name) && errors.contains(expected),
                "{name}: {errors}"
            );
            assert_eq!(errors.lines().count(), 1, "{errors}");
        }
    }
    let refusals = [
        (&["/nowhere/x.json"][..], "/nowhere/x.json: No such file"),
        (
            &[&good, &good, "--html", "x.html"],
            "--html shows one report",
        ),
        (
            &[&good, "--html", "/nowhere/x.html"],
            "--html /nowhere/x.html",
        ),
        (&[&good, &good, "--csv"], "--csv shows one report"),
        (&["-", "-"], "only one of the reports can be stdin"),
        (
            &[&good, &good, "--least", "much"],
            "use a number from 0 to 1000",
        ),
        (&[], "<REPORT>"),
    ];
    for (arguments, expected) in refusals {
        let (status, out, errors) = report(arguments);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
}
