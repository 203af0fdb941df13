//! `compare -- COMMAND`: servers of others under measurement, and the same work in Python.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::served::{BINARY, run};

fn section(arguments: &[&str]) -> Value {
    // The command stands behind `--`.
    let output = run(&[&["compare", "--json", "-"], &arguments[1..]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    report["sections"][0].take()
}

/// Compares for a tenth of a second, and again for twice as long while a row had no answer in its time, as on a machine
/// that is busy.
fn measured(options: &[&str], command: &[&str]) -> Value {
    let mut last = Value::Null;
    for doubled in 0..6 {
        let duration = (100 << doubled).to_string();
        let begin = ["compare", "--duration", &duration];
        last = section(&[&begin, options, command].concat());
        if !last["warnings"].to_string().contains("answered nothing") {
            break;
        }
    }
    last
}

fn row<'a>(section: &'a Value, name: &str) -> &'a Value {
    let rows = section["tables"][0]["rows"].as_array().unwrap();
    let found = rows.iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {rows:?}"))
}

fn has_python() -> bool {
    let run = Command::new("python3")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    let there = run.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skip: python: python3 cannot be run");
    }
    there
}

#[test]
fn a_server_is_measured_under_each_model_that_it_knows() {
    let command = [
        "serve",
        "echo",
        "--model",
        "{model}",
        "--listen",
        "127.0.0.1:{port}",
    ];
    let options = ["--models", "threads,tasks", "--clients", "4", "--load"];
    let options = [&options[..], &["echo", "--", BINARY]].concat();
    let section = measured(&options, &command);
    for name in ["threads", "tasks"] {
        let values = row(&section, name)["values"].as_array().unwrap();
        assert_eq!(values.len(), 6);
        assert!(values[1]["median"].as_f64().unwrap() > 1.0, "{section}");
        assert!(values[4]["median"].as_f64().unwrap() > 1e5, "{section}");
    }
    assert_eq!(section["warnings"], serde_json::json!([]));
    assert_eq!(
        section["plots"][0]["series"][0]["points"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_refused_model_is_shown_with_its_reason_and_the_others_go_on() {
    let command = [
        "serve",
        "files",
        "/",
        "--model",
        "{model}",
        "--listen",
        "127.0.0.1:{port}",
    ];
    let options = ["--models", "callbacks,tasks", "--clients", "2", "--path"];
    let options = [&options[..], &["/etc/hostname", "--", BINARY]].concat();
    let section = measured(&options, &command);
    let refused = row(&section, "callbacks");
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("--model callbacks"),
        "{refused}"
    );
    assert!(row(&section, "tasks")["error"].is_null(), "{section}");
}

#[test]
fn a_server_in_python_is_measured_as_it_is() {
    if !has_python() {
        return;
    }
    let options = ["--clients", "2", "--"];
    let server = [
        "python3",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "{port}",
    ];
    let section = measured(&options, &server);
    let only = row(&section, "as it is");
    assert!(only["error"].is_null(), "{only}");
    assert!(
        only["values"][1]["median"].as_f64().unwrap() > 1.0,
        "{only}"
    );
}

#[test]
fn a_wrong_command_is_one_line() {
    for (arguments, part) in [
        (vec!["compare", "--", "server"], "{port}"),
        (
            vec!["compare", "--path", "x", "--", "s", "{port}"],
            "--path x",
        ),
    ] {
        let output = run(&arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(
            errors.contains(part) && errors.lines().count() == 1,
            "{errors}"
        );
    }
}

#[test]
fn python_does_the_same_work_beside_ours() {
    if !has_python() {
        return;
    }
    let sizes = ["--jobs", "2", "--pages", "1", "--latency", "10"];
    let section = section(&[&["compare", "--beside", "python"][..], &sizes].concat());
    let tables = section["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 2);
    for table in tables {
        let rows = table["rows"].as_array().unwrap();
        let beside = rows.iter().filter(|row| row["mark"] == "beside");
        assert_eq!(beside.count(), 6, "{rows:?}");
        for row in rows {
            let missing = row["error"]
                .as_str()
                .is_some_and(|error| error.contains("is not installed"));
            assert!(
                missing || row["values"][0]["median"].as_f64().unwrap() > 0.0,
                "{row}"
            );
        }
        let named = rows.iter().any(|row| {
            row["name"]
                .as_str()
                .unwrap()
                .starts_with("Python asyncio (CPython 3.")
        });
        assert!(named, "{rows:?}");
    }
}
