//! Small runs of `switchboard compare`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::served::{BINARY, run};

/// A path of a test's own, which is removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let name = format!("switchboard-compare-{}-{name}.json", std::process::id());
        Place(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.0).unwrap()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that failed may not have written it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The least that there is to measure.
const SMALL: [&str; 11] = [
    "compare",
    "--quick",
    "--jobs",
    "2",
    "--pages",
    "2",
    "--latency",
    "10",
    "--clients=4",
    "--duration",
    "150",
];

fn small<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&SMALL, arguments].concat()
}

fn rows(report: &Value, experiment: &str) -> Vec<Value> {
    let sections = report["sections"].as_array().unwrap();
    let section = sections
        .iter()
        .find(|section| section["experiment"] == experiment);
    section.unwrap()["tables"][0]["rows"]
        .as_array()
        .unwrap()
        .clone()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect()
}

#[test]
fn every_cell_runs_and_is_reported() {
    let place = Place::new("all");
    let output = run(&small(&["--json", place.path()]));
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    assert_eq!(errors, "", "no progress unless stderr is a terminal");
    let report = place.json();
    assert_eq!(report["schema"], "switchboard-lab");
    for (experiment, count) in [("io", 6), ("cpu", 7), ("echo", 8), ("http", 7)] {
        let rows = rows(&report, experiment);
        assert_eq!(rows.len(), count, "{experiment}: {:?}", names(&rows));
        for row in rows {
            assert!(text.contains(row["name"].as_str().unwrap()), "{row}");
            let samples = row["values"][0]["samples"].as_array().unwrap();
            let median = row["values"][0]["median"].as_f64();
            assert!(samples.len() >= 2 && median > Some(0.0), "{row}");
            assert_eq!(row["error"], Value::Null, "{row}");
        }
    }
    let habits = report["sections"][0]["tables"][1]["rows"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(
        habits.iter().filter(|row| row["mark"] == "mistake").count(),
        3
    );
    for row in rows(&report, "echo") {
        let median = |at: usize| row["values"][at]["median"].as_f64().unwrap();
        assert!(median(2) > 0.0 && median(3) <= median(5), "{row}");
    }
    let curves = &report["sections"][2]["plots"][1];
    assert_eq!(curves["series"].as_array().unwrap().len(), 8);
    assert!(report["machine"]["control"]["median"].as_f64() > Some(0.0));
    assert!(report["advice"].as_array().unwrap().len() >= 4, "{text}");
}

#[test]
fn only_the_chosen_experiments_and_models_run() {
    let place = Place::new("chosen");
    let arguments = ["cpu", "--models", "blocking,pool", "--json", place.path()];
    let output = run(&small(&arguments));
    assert_eq!(output.status.code(), Some(0));
    let report = place.json();
    assert_eq!(report["sections"].as_array().unwrap().len(), 1);
    assert_eq!(names(&rows(&report, "cpu")), ["blocking", "pool"]);
}

#[test]
fn experiments_are_listed_with_their_questions() {
    let output = run(&["compare", "--list"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for name in ["io", "cpu", "echo", "http"] {
        let line = text.lines().find(|line| line.trim().starts_with(name));
        assert!(line.is_some_and(|line| line.ends_with('?')), "{text}");
    }
}

#[test]
fn what_is_whole_is_kept_and_the_rest_is_run() {
    let place = Place::new("resume");
    let cpu = ["cpu", "--models", "blocking"];
    let both = ["cpu", "echo", "--models", "blocking"];
    let run_with = |names: &[&str], option| {
        let output = run(&small(&[names, &[option, place.path()]].concat()));
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        place.json()
    };
    let first = run_with(&cpu, "--json");
    let second = run_with(&both, "--resume");
    assert_eq!(rows(&first, "cpu"), rows(&second, "cpu"));
    assert_eq!(names(&rows(&second, "echo")), ["blocking"]);
    // A row that failed makes its experiment run again.
    let mut failed = second.clone();
    failed["sections"][0]["tables"][0]["rows"][0]["error"] = "no threads".into();
    std::fs::write(&place.0, failed.to_string()).unwrap();
    let third = run_with(&both, "--resume");
    assert_ne!(rows(&second, "cpu"), rows(&third, "cpu"));
    assert_eq!(rows(&third, "cpu")[0]["error"], Value::Null);
    assert_eq!(rows(&second, "echo"), rows(&third, "echo"));
    // Reports of another machine, and of other sizes, are refused and kept.
    let refused = |options: &[&str], part: &str| {
        let output = run(&small(
            &[&cpu, options, &["--resume", place.path()]].concat(),
        ));
        let text = String::from_utf8_lossy(&output.stderr);
        let is_refused = output.status.code() == Some(2) && text.contains(part);
        assert!(is_refused, "{text}");
    };
    let mut other = third.clone();
    other["machine"]["cpu"] = "Z80".into();
    std::fs::write(&place.0, other.to_string()).unwrap();
    refused(&[], "Z80");
    let mut other = third.clone();
    other["how"] = third["how"]
        .as_str()
        .unwrap()
        .replace("quick", "thorough")
        .into();
    std::fs::write(&place.0, other.to_string()).unwrap();
    refused(&[], "effort thorough");
    assert_eq!(place.json(), other);
}

#[test]
fn a_run_that_is_cut_off_keeps_what_it_has() {
    let place = Place::new("cut");
    let mut command = Command::new(BINARY);
    command.args([
        "compare", "cpu", "echo", "--models", "blocking", "--jobs", "1",
    ]);
    // The second experiment takes a minute.
    command.args(["--duration", "10000", "--json", place.path()]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // A report comes into its place whole.
    while !place.0.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let report = place.json();
    assert_eq!(names(&rows(&report, "cpu")), ["blocking"]);
    assert_eq!(report["sections"].as_array().unwrap().len(), 1);
}

#[test]
fn a_cell_that_fails_is_shown_with_its_reason_and_the_rest_goes_on() {
    let place = Place::new("failed");
    // The load cannot open so many connections.
    let script = "ulimit -n 60; exec \"$0\" \"$@\"";
    let mut arguments = vec!["-c", script, BINARY];
    arguments.extend([
        "compare",
        "cpu",
        "echo",
        "--quick",
        "--jobs",
        "1",
        "--clients",
        "100",
    ]);
    arguments.extend(["--models", "blocking,tasks", "--json", place.path()]);
    let output = Command::new("sh")
        .args(&arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let report = place.json();
    assert!(
        rows(&report, "cpu")
            .iter()
            .all(|row| row["error"].is_null())
    );
    for row in rows(&report, "echo") {
        assert!(
            row["error"]
                .as_str()
                .is_some_and(|error| error.contains("open files")),
            "{row}"
        );
    }
    let advice = report["advice"].to_string();
    assert!(advice.contains("no row did it all"), "{advice}");
}

/// Returns the samples of a model's first figure.
fn samples(report: &Value, experiment: &str, model: &str) -> Vec<f64> {
    let rows = rows(report, experiment);
    let row = rows
        .iter()
        .find(|row| row["name"].as_str().unwrap().starts_with(model));
    let samples = row.unwrap()["values"][0]["samples"].as_array().unwrap();
    samples.iter().map(|it| it.as_f64().unwrap()).collect()
}

#[test]
fn an_injected_sleep_is_in_the_figures_of_its_model_alone() {
    let place = Place::new("slow");
    let sizes = [
        "--quick",
        "--jobs",
        "2",
        "--pages",
        "2",
        "--latency",
        "10",
        "--clients",
        "4",
    ];
    let asked = [
        "compare",
        "io",
        "cpu",
        "echo",
        "--duration",
        "500",
        "--models",
        "threads,tasks",
    ];
    let slow = ["--slow-model", "tasks=200ms", "--json", place.path()];
    assert_eq!(
        run(&[&asked[..], &sizes, &slow].concat()).status.code(),
        Some(0)
    );
    let report = place.json();
    let least = |experiment, model| {
        let samples = samples(&report, experiment, model).into_iter();
        samples.fold(f64::INFINITY, f64::min)
    };
    for (experiment, bound) in [("io", 0.4), ("cpu", 0.2)] {
        let found = ["tasks", "threads"].map(|model| least(experiment, model));
        assert!(
            found[0] >= bound && found[0] > found[1],
            "{experiment}: {found:?}"
        );
    }
    // Each of four clients gets at most four answers in half a second.
    let slow = samples(&report, "echo", "tasks");
    let other = samples(&report, "echo", "threads");
    assert!(slow.iter().all(|rate| *rate <= 32.0), "{slow:?}");
    assert!(other.iter().any(|rate| *rate > 32.0), "{other:?}");
}

/// Processes that compute until they are dropped, and end by themselves after two minutes.
struct Neighbours(Vec<Child>);

impl Neighbours {
    fn start(count: usize) -> Neighbours {
        let busy = || {
            let mut command = Command::new("timeout");
            command.args(["120", "sh", "-c", "while :; do :; done"]);
            command.stdin(Stdio::null()).spawn().unwrap()
        };
        Neighbours((0..count).map(|_| busy()).collect())
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // `timeout` passes the signal on.
            let pid = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

#[test]
fn a_noisy_neighbour_is_named_and_makes_no_advice() {
    let place = Place::new("neighbour");
    let neighbours = Neighbours::start(2);
    let arguments = [
        "cpu",
        "--models",
        "blocking,threads,tasks",
        "--json",
        place.path(),
    ];
    let output = run(&[&["compare", "--quick", "--jobs", "6"], &arguments[..]].concat());
    drop(neighbours);
    assert_eq!(output.status.code(), Some(0));
    let report = place.json();
    let said = report["disturbances"].to_string();
    assert!(
        said.contains("while cpu was measured, other programs used"),
        "{said}"
    );
    let slowed = report["sections"][0]["slowed"].as_f64().unwrap();
    assert!(slowed > 1.1, "{report}");
    // On two cores threads take half of the time of one flow at best, which such neighbours can have made.
    let advice = report["advice"].to_string();
    assert!(advice.contains("nothing is advised between"), "{advice}");
    assert!(
        !advice.contains("run it again on a quiet machine\",\"In short"),
        "{advice}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn one_core_is_said_to_be_one() {
    let place = Place::new("core");
    let path = place.path().to_owned();
    // The processes that this thread starts inherit its core.
    let pinned = std::thread::spawn(move || {
        switchboard_lab::pin(None, switchboard_lab::cores()[0]).unwrap();
        run(&small(&[
            "cpu",
            "echo",
            "--models",
            "blocking,tasks",
            "--json",
            &path,
        ]))
    });
    assert_eq!(pinned.join().unwrap().status.code(), Some(0));
    let report = place.json();
    assert_eq!(report["machine"]["cores"], 1);
    for section in report["sections"].as_array().unwrap() {
        let warnings = section["warnings"].to_string();
        assert!(warnings.contains("one core: "), "{warnings}");
    }
}

#[test]
fn what_cannot_be_asked_or_written_is_said_before_the_run() {
    let refused = |arguments: &[&str], parts: &[&str]| {
        let output = run(&[&["compare"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(
            parts.iter().all(|part| text.contains(part)),
            "{arguments:?}: {text}"
        );
        assert_eq!(output.stdout, b"", "{arguments:?}");
    };
    refused(
        &["disk"],
        &["unknown experiment `disk`", "io ", "http ", "?"],
    );
    refused(
        &["--json", "/nowhere/x.json"],
        &["--json", "/nowhere/x.json"],
    );
    let folder = std::env::temp_dir();
    refused(
        &["--json", folder.to_str().unwrap()],
        &["--json", "directory"],
    );
    refused(
        &["--resume", "/nowhere/x.json"],
        &["--resume", "/nowhere/x.json"],
    );
    let place = Place::new("wrong");
    for (text, part) in [("{", "the JSON ends early"), ("{}", "schema")] {
        std::fs::write(&place.0, text).unwrap();
        refused(&["--resume", place.path()], &["--resume", part]);
        assert_eq!(std::fs::read_to_string(&place.0).unwrap(), text);
    }
    refused(&["--quick", "--thorough"], &["--quick", "--thorough"]);
    refused(&["--slow-model", "tasks"], &["tasks=1ms"]);
}
